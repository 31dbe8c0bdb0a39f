/* Reads values of msgpack from stdin, each after its length in 4 bytes (little-endian), with the driver's reader, and
 * writes them again with its writer: to stdout, in the same way. */
#include <stdio.h>
#include <stdlib.h>

#include "msgpack.c"

static void copy_value(struct reader *r, struct writer *w) {
    struct text text;
    size_t count;
    switch (read_kind(r)) {
    case KIND_NIL:
        skip_value(r);
        write_nil(w);
        return;
    case KIND_BOOL:
        write_bool(w, read_bool(r));
        return;
    case KIND_INT:
        write_int(w, read_int(r));
        return;
    case KIND_STR:
        text = read_text(r);
        write_str(w, text.chars, text.length);
        return;
    case KIND_BIN:
        text = read_text(r);
        write_bin(w, text.chars, text.length);
        return;
    case KIND_ARRAY:
        count = read_array(r);
        write_array(w, count);
        while (count-- && !r->failed) {
            copy_value(r, w);
        }
        return;
    case KIND_MAP:
        count = 2 * read_map(r);
        write_map(w, count / 2);
        while (count-- && !r->failed) {
            copy_value(r, w);
        }
        return;
    default:
        r->failed = true;
    }
}

int main(void) {
    static unsigned char bytes[1 << 20];
    uint32_t length;
    while (fread(&length, sizeof length, 1, stdin) == 1) {
        if (length > sizeof bytes || fread(bytes, 1, length, stdin) != length) {
            return 2;
        }
        struct reader r = {bytes, bytes + length, false};
        struct writer w = {0};
        copy_value(&r, &w);
        if (r.failed || r.at != r.end || w.failed) {
            return 1;
        }
        uint32_t written = (uint32_t)w.length;
        fwrite(&written, sizeof written, 1, stdout);
        fwrite(w.bytes, 1, w.length, stdout);
        writer_free(&w);
    }
    return 0;
}
