#define _GNU_SOURCE
#include "includes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "computed_include.h"
#include "directives.h"
#include "included_file.h"

/* One source on its way: what became of it, the files read so far, and how much was put in. */
struct expansion {
    const struct build_options *options;
    const struct kept_names *kept;
    struct writer text;
    struct included_file *files;
    size_t file_count; /* of `files` */
    size_t included, characters, depth;
    struct definitions definitions;
    size_t replaced; /* characters of macros in the names of files */
    bool failed;     /* for the reason in `problem`, or without memory */
    char *problem;
    size_t problem_room;
};

bool has_includes(const char *source) {
    return strstr(source, "include") && strchr(source, '#');
}

static void refuse(struct expansion *e, const char *path, const char *what) {
    e->failed = true;
    snprintf(e->problem, e->problem_room, "%s: %s", path, what);
}

/* ---- finding ------------------------------------------------------------------------------------------------ */

static bool is_kept(const struct kept_names *kept, struct text name) {
    for (size_t i = 0; i < kept->count; i++) {
        if (strlen(kept->names[i]) == name.length && !memcmp(kept->names[i], name.chars, name.length)) {
            return true;
        }
    }
    return false;
}

/* Whether a path is one of the places, or within one. */
static bool is_within(const char *path, char **places, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(places[i]);
        length -= places[i][length - 1] == '/'; /* the root's */
        if (!strncmp(path, places[i], length) && strchr("/", path[length])) {
            return true;
        }
    }
    return false;
}

static bool may_be_included(const char *path, const struct build_options *options) {
    return is_within(path, options->folders, options->folder_count) ||
           is_within(path, options->named, options->named_count);
}

/* The path of a file by its name in a folder, if it is one that may be included; else NULL. */
static char *find_in(struct expansion *e, struct text folder, struct text name) {
    char *joined, *path;
    bool is_absolute = name.chars[0] == '/';
    if (asprintf(&joined, "%.*s/%.*s", is_absolute ? 0 : (int)folder.length, folder.chars, (int)name.length,
                 name.chars) < 0) {
        e->failed = true;
        return NULL;
    }
    path = realpath(joined, NULL);
    free(joined);
    struct stat status;
    if (path && !stat(path, &status) && S_ISREG(status.st_mode) && may_be_included(path, e->options)) {
        return path;
    }
    free(path);
    return NULL;
}

/* The path of a file by its name: in the folder of the file that includes it, or in one of the places. */
static char *find_path(struct expansion *e, struct text name, const struct included_file *near) {
    if (is_kept(e->kept, name)) {
        return NULL;
    }
    char *path = NULL;
    if (near) {
        struct text folder = {near->path, (size_t)(strrchr(near->path, '/') - near->path)};
        path = find_in(e, folder, name);
    }
    for (size_t i = 0; !path && i < e->options->folder_count; i++) {
        struct text folder = {e->options->folders[i], strlen(e->options->folders[i])};
        path = find_in(e, folder, name);
    }
    return path;
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* The file of a path, which is taken over: read now, or before. NULL if that fails. */
static struct included_file *open_file(struct expansion *e, char *path) {
    for (struct included_file *file = e->files; file; file = file->next) {
        if (!strcmp(file->path, path)) {
            free(path);
            return file;
        }
    }
    struct included_file *file = calloc(1, sizeof *file);
    if (!file) {
        free(path);
        e->failed = true;
        return NULL;
    }
    file->next = e->files;
    e->files = file;
    if (!read_included_file(file, path, e->file_count++)) {
        e->failed = true;
        if (!file->text.failed) {
            refuse(e, path, "cannot be read, or is no UTF-8 text");
        }
        return NULL;
    }
    return file;
}

/* Count what a file adds; whether that can still be sent. */
static bool count_file(struct expansion *e, const struct included_file *file) {
    e->included++;
    e->characters += file->characters;
    if (e->included > MOST_FILES || e->characters > MOST_CHARACTERS || e->depth == MOST_DEPTH) {
        char what[100];
        snprintf(what, sizeof what, "more than %d files, %d characters, or %d files in each other", MOST_FILES,
                 MOST_CHARACTERS, MOST_DEPTH);
        refuse(e, file->path, what);
    }
    return !e->failed;
}

/* ---- putting in --------------------------------------------------------------------------------------------- */

static void expand(struct expansion *e, struct text source, const struct included_file *of);

static void put_in(struct expansion *e, struct included_file *file, size_t number) {
    if (file->is_open || !count_file(e, file)) {
        return; /* of the line that includes itself nothing stays but its end, so that those after it keep their
                   numbers */
    }
    file->is_open = true;
    e->depth++;
    expand(e, (struct text){(char *)file->text.bytes, file->text.length}, file);
    e->depth--;
    file->is_open = false;
    char line[40];
    write_raw(&e->text, line, (size_t)snprintf(line, sizeof line, "\n#line %zu", number + 1));
}

/* The path of the file that a line of some file includes, by its name or by a macro's; NULL if there is none here. */
static char *included_path(struct expansion *e, struct text line, const struct included_file *of) {
    struct writer computed = {0};
    struct text name = {0};
    bool is_near = false, is_include = find_include(line, &name, &is_near);
    if (!is_include && compute_include(&e->definitions, line, &e->replaced, &computed)) {
        is_include = find_include((struct text){(char *)computed.bytes, computed.length}, &name, &is_near);
    }
    e->failed |= computed.failed || e->definitions.failed;
    char *path = is_include ? find_path(e, name, is_near ? of : NULL) : NULL;
    writer_free(&computed);
    return path;
}

/* Write a text with its includes replaced; `of`: the file that it is, NULL for the source itself. */
static void expand(struct expansion *e, struct text source, const struct included_file *of) {
    bool is_in_comment = false, is_more = false; /* the latter: the line continues one before */
    for (size_t number = 1; !e->failed; number++) {
        struct text line = first_line(source);
        char *path = is_in_comment ? NULL : included_path(e, line, of);
        bool may_be_directive = !is_in_comment && !is_more;
        if (may_be_directive) {
            read_definition(&e->definitions, continued_line(source));
        }
        struct included_file *file = path ? open_file(e, path) : NULL;
        if (file) {
            put_in(e, file, number);
        } else {
            write_raw(&e->text, line.chars, line.length);
        }
        if (line.length == source.length) {
            return;
        }
        write_raw(&e->text, "\n", 1);
        is_more = (may_be_directive || is_more) && is_continued(line);
        is_in_comment = ends_in_comment(line, is_in_comment);
        source = (struct text){line.chars + line.length + 1, source.length - line.length - 1};
    }
}

char *with_includes(const char *source, const struct build_options *options, const struct kept_names *kept,
                    char *problem, size_t problem_room) {
    struct expansion e = {.options = options, .kept = kept, .problem = problem, .problem_room = problem_room};
    problem[0] = '\0';
    open_definitions(&e.definitions, (struct text){(char *)options->definitions.bytes, options->definitions.length});
    expand(&e, (struct text){source, strlen(source)}, NULL);
    write_raw(&e.text, "", 1);
    close_definitions(&e.definitions);
    while (e.files) {
        struct included_file *file = e.files;
        e.files = file->next;
        included_file_free(file);
    }
    if (e.failed || e.text.failed) {
        writer_free(&e.text);
        return NULL;
    }
    return (char *)e.text.bytes;
}
