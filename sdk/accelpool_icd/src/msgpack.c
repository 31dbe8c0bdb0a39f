#include "msgpack.h"

#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 32 };

static unsigned char *reserve(struct writer *w, size_t length) {
    if (w->failed) {
        return NULL;
    }
    if (w->capacity - w->length < length) {
        size_t capacity = w->capacity ? w->capacity : 256;
        while (capacity - w->length < length) {
            capacity *= 2;
        }
        unsigned char *grown = realloc(w->bytes, capacity);
        if (!grown) {
            w->failed = true;
            return NULL;
        }
        w->bytes = grown;
        w->capacity = capacity;
    }
    unsigned char *place = w->bytes + w->length;
    w->length += length;
    return place;
}

void write_raw(struct writer *w, const void *bytes, size_t length) {
    unsigned char *place = reserve(w, length);
    if (place && length) {
        memcpy(place, bytes, length);
    }
}

/* A tag and `width` bytes of a number, the highest first. */
static void write_tagged(struct writer *w, unsigned char tag, uint64_t number, int width) {
    unsigned char *place = reserve(w, (size_t)width + 1);
    if (place) {
        *place++ = tag;
        for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) {
            *place++ = (unsigned char)(number >> shift);
        }
    }
}

void write_uint(struct writer *w, uint64_t value) {
    if (value < 0x80) {
        write_tagged(w, (unsigned char)value, 0, 0);
    } else if (value <= UINT8_MAX) {
        write_tagged(w, 0xcc, value, 1);
    } else if (value <= UINT16_MAX) {
        write_tagged(w, 0xcd, value, 2);
    } else if (value <= UINT32_MAX) {
        write_tagged(w, 0xce, value, 4);
    } else {
        write_tagged(w, 0xcf, value, 8);
    }
}

void write_int(struct writer *w, int64_t value) {
    if (value >= 0) {
        write_uint(w, (uint64_t)value);
    } else if (value >= -32) {
        write_tagged(w, (unsigned char)value, 0, 0);
    } else if (value >= INT8_MIN) {
        write_tagged(w, 0xd0, (uint64_t)value, 1);
    } else if (value >= INT16_MIN) {
        write_tagged(w, 0xd1, (uint64_t)value, 2);
    } else if (value >= INT32_MIN) {
        write_tagged(w, 0xd2, (uint64_t)value, 4);
    } else {
        write_tagged(w, 0xd3, (uint64_t)value, 8);
    }
}

void write_bool(struct writer *w, bool value) {
    write_tagged(w, value ? 0xc3 : 0xc2, 0, 0);
}

void write_nil(struct writer *w) {
    write_tagged(w, 0xc0, 0, 0);
}

void write_str(struct writer *w, const char *text, size_t length) {
    if (length < 32) {
        write_tagged(w, (unsigned char)(0xa0 | length), 0, 0);
    } else if (length <= UINT8_MAX) {
        write_tagged(w, 0xd9, length, 1);
    } else if (length <= UINT16_MAX) {
        write_tagged(w, 0xda, length, 2);
    } else {
        write_tagged(w, 0xdb, length, 4);
    }
    write_raw(w, text, length);
}

void write_text(struct writer *w, const char *text) {
    write_str(w, text, strlen(text));
}

void write_bin(struct writer *w, const void *bytes, size_t length) {
    if (length <= UINT8_MAX) {
        write_tagged(w, 0xc4, length, 1);
    } else if (length <= UINT16_MAX) {
        write_tagged(w, 0xc5, length, 2);
    } else {
        write_tagged(w, 0xc6, length, 4);
    }
    write_raw(w, bytes, length);
}

void write_array(struct writer *w, size_t count) {
    if (count < 16) {
        write_tagged(w, (unsigned char)(0x90 | count), 0, 0);
    } else if (count <= UINT16_MAX) {
        write_tagged(w, 0xdc, count, 2);
    } else {
        write_tagged(w, 0xdd, count, 4);
    }
}

void write_map(struct writer *w, size_t count) {
    write_tagged(w, (unsigned char)(0x80 | count), 0, 0); /* ours have one entry */
}

void writer_free(struct writer *w) {
    free(w->bytes);
    *w = (struct writer){0};
}

/* ---- reading ------------------------------------------------------------------------------------------- */

/* The head of a value: its kind, its number (an int's value, else a length or count), and the bytes of both. */
struct head {
    enum kind kind;
    uint64_t number;
    size_t bytes;
};

static const struct {
    unsigned char tag;
    enum kind kind;
    signed char width; /* bytes of the number; negative if it has a sign */
} TAGS[] = {
    {0xc0, KIND_NIL, 0},   {0xc2, KIND_BOOL, 0},  {0xc3, KIND_BOOL, 0},  {0xc4, KIND_BIN, 1},  {0xc5, KIND_BIN, 2},
    {0xc6, KIND_BIN, 4},   {0xca, KIND_OTHER, 4}, {0xcb, KIND_OTHER, 8}, {0xcc, KIND_INT, 1},  {0xcd, KIND_INT, 2},
    {0xce, KIND_INT, 4},   {0xcf, KIND_INT, 8},   {0xd0, KIND_INT, -1},  {0xd1, KIND_INT, -2}, {0xd2, KIND_INT, -4},
    {0xd3, KIND_INT, -8},  {0xd9, KIND_STR, 1},   {0xda, KIND_STR, 2},   {0xdb, KIND_STR, 4},  {0xdc, KIND_ARRAY, 2},
    {0xdd, KIND_ARRAY, 4}, {0xde, KIND_MAP, 2},   {0xdf, KIND_MAP, 4},
};

static struct head short_head(unsigned char tag) {
    if (tag < 0x80) {
        return (struct head){KIND_INT, tag, 1};
    }
    if (tag < 0x90) {
        return (struct head){KIND_MAP, tag & 0x0f, 1};
    }
    if (tag < 0xa0) {
        return (struct head){KIND_ARRAY, tag & 0x0f, 1};
    }
    if (tag < 0xc0) {
        return (struct head){KIND_STR, tag & 0x1f, 1};
    }
    if (tag >= 0xe0) {
        return (struct head){KIND_INT, (uint64_t)(int64_t)(int8_t)tag, 1};
    }
    return (struct head){KIND_NONE, 0, 0};
}

static struct head long_head(const struct reader *r) {
    unsigned char tag = *r->at;
    for (size_t i = 0; i < sizeof TAGS / sizeof *TAGS; i++) {
        if (TAGS[i].tag != tag) {
            continue;
        }
        size_t width = (size_t)abs(TAGS[i].width);
        if ((size_t)(r->end - r->at) < width + 1) {
            break;
        }
        uint64_t number = tag == 0xc3;
        for (size_t byte = 0; byte < width; byte++) {
            number = number << 8 | r->at[1 + byte];
        }
        if (TAGS[i].width < 0 && width < 8 && number >> (8 * width - 1)) {
            number |= ~(uint64_t)0 << (8 * width);
        }
        return (struct head){TAGS[i].kind, number, width + 1};
    }
    return (struct head){KIND_NONE, 0, 0};
}

/* What is next, KIND_NONE if that is not whole: strings must lie in the body, counts cannot exceed its bytes. */
static struct head peek(const struct reader *r) {
    if (r->failed || r->at >= r->end) {
        return (struct head){KIND_NONE, 0, 0};
    }
    struct head head = short_head(*r->at);
    if (head.kind == KIND_NONE) {
        head = long_head(r);
    }
    bool is_sized =
        head.kind == KIND_STR || head.kind == KIND_BIN || head.kind == KIND_ARRAY || head.kind == KIND_MAP;
    if (is_sized && head.number > (uint64_t)(r->end - r->at) - head.bytes) {
        return (struct head){KIND_NONE, 0, 0};
    }
    return head;
}

static struct head next(struct reader *r, enum kind kind) {
    struct head head = peek(r);
    if (head.kind != kind) {
        r->failed = true;
        return (struct head){KIND_NONE, 0, 0};
    }
    r->at += head.bytes;
    return head;
}

enum kind read_kind(const struct reader *r) {
    return peek(r).kind;
}

uint64_t read_uint(struct reader *r) {
    return next(r, KIND_INT).number;
}

int64_t read_int(struct reader *r) {
    return (int64_t)read_uint(r);
}

bool read_bool(struct reader *r) {
    return next(r, KIND_BOOL).number != 0;
}

struct text read_text(struct reader *r) {
    size_t length = (size_t)next(r, read_kind(r) == KIND_BIN ? KIND_BIN : KIND_STR).number;
    const char *chars = (const char *)r->at;
    r->at += length;
    return (struct text){chars, length};
}

static size_t read_count(struct reader *r, enum kind kind) {
    if (read_kind(r) == KIND_NIL) {
        r->at++;
        return 0;
    }
    return (size_t)next(r, kind).number;
}

size_t read_array(struct reader *r) {
    return read_count(r, KIND_ARRAY);
}

size_t read_map(struct reader *r) {
    return read_count(r, KIND_MAP);
}

static void skip_deep(struct reader *r, int depth) {
    struct head head = peek(r);
    if (head.kind == KIND_NONE || depth > DEEPEST) {
        r->failed = true;
        return;
    }
    r->at += head.bytes;
    if (head.kind == KIND_STR || head.kind == KIND_BIN) {
        r->at += head.number;
    }
    uint64_t values = head.kind == KIND_ARRAY ? head.number : head.kind == KIND_MAP ? 2 * head.number : 0;
    for (; values > 0 && !r->failed; values--) {
        skip_deep(r, depth + 1);
    }
}

void skip_value(struct reader *r) {
    skip_deep(r, 0);
}

struct reader take_value(struct reader *r) {
    const unsigned char *start = r->at;
    skip_value(r);
    return (struct reader){start, r->at, r->failed};
}
