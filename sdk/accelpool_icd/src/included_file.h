/* A file of this machine that sources include. */
#ifndef ACCELPOOL_INCLUDED_FILE_H
#define ACCELPOOL_INCLUDED_FILE_H

#include "msgpack.h"

enum { MOST_CHARACTERS = 8 << 20 };

struct included_file {
    struct included_file *next;
    char *path;         /* as realpath has it */
    struct writer text; /* with `#pragma once`, which means nothing inside another file, spelt out */
    size_t characters;  /* of its own */
    bool is_open;       /* being put in: it does not include itself */
};

/* Read a file, which is the file of that number in a source; it keeps the path. False if it is no text in UTF-8, or
 * without memory, which the text's `failed` tells. More than MOST_CHARACTERS are not all read. */
bool read_included_file(struct included_file *file, char *path, size_t number);
void included_file_free(struct included_file *file);

#endif
