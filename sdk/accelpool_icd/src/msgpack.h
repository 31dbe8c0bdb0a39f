/* msgpack, as far as docs/wire.md needs it: a writer that grows, and a reader that never passes its end.
 *
 * Both remember a failure (no memory; bytes that are not what was asked for), so callers may check once, at the end.
 */
#ifndef ACCELPOOL_MSGPACK_H
#define ACCELPOOL_MSGPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct writer {
    unsigned char *bytes;
    size_t length;
    size_t capacity;
    bool failed;
};

void write_raw(struct writer *w, const void *bytes, size_t length);
void write_uint(struct writer *w, uint64_t value);
void write_int(struct writer *w, int64_t value);
void write_bool(struct writer *w, bool value);
void write_nil(struct writer *w);
void write_str(struct writer *w, const char *text, size_t length);
void write_text(struct writer *w, const char *text); /* nil-terminated */
void write_bin(struct writer *w, const void *bytes, size_t length);
void write_array(struct writer *w, size_t count);
void write_map(struct writer *w, size_t count);
void writer_free(struct writer *w);

struct reader {
    const unsigned char *at;
    const unsigned char *end;
    bool failed;
};

struct text {
    const char *chars;
    size_t length;
};

enum kind { KIND_NONE, KIND_NIL, KIND_BOOL, KIND_INT, KIND_STR, KIND_BIN, KIND_ARRAY, KIND_MAP, KIND_OTHER };

enum kind read_kind(const struct reader *r); /* of the next value */
uint64_t read_uint(struct reader *r);        /* a negative one as two's complement */
int64_t read_int(struct reader *r);
bool read_bool(struct reader *r);
struct text read_text(struct reader *r); /* str or bin */
size_t read_array(struct reader *r);     /* never more than there are bytes left; 0 for nil */
size_t read_map(struct reader *r);
void skip_value(struct reader *r);
struct reader take_value(struct reader *r); /* a reader of the next value alone */

#endif
