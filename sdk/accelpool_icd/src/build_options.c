#include "build_options.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char SPACES[] = " \t\r\n";

/* Read a word as a shell does; its end. */
static const char *read_word(const char *at, char *word) {
    char quote = '\0';
    for (; *at && (quote || !strchr(SPACES, *at)); at++) {
        if (quote ? *at == quote : *at == '"' || *at == '\'') {
            quote = quote ? '\0' : *at;
            continue;
        }
        if (*at == '\\' && at[1] && (!quote || (quote == '"' && strchr("\"\\", at[1])))) {
            at++;
        }
        *word++ = *at;
    }
    *word = '\0';
    return at;
}

/* Cut such characters off both ends. */
static char *strip(char *text, const char *characters) {
    text += strspn(text, characters);
    size_t length = strlen(text);
    while (length && strchr(characters, text[length - 1])) {
        text[--length] = '\0';
    }
    return text;
}

/* Note a folder of this machine; false if it is none. */
static bool add_folder(struct build_options *options, const char *name) {
    struct stat status;
    char *path = realpath(name, NULL);
    if (!path || stat(path, &status) || !S_ISDIR(status.st_mode)) {
        free(path);
        return false;
    }
    options->folders[options->folder_count++] = path;
    return true;
}

static void send_words(struct build_options *options, const char *begin, const char *end) {
    if (options->sent[0]) {
        strcat(options->sent, " ");
    }
    strncat(options->sent, begin, (size_t)(end - begin));
}

static bool is_option(const char *word, const char *letters) {
    return word[0] && word[1] && ((word[0] == '-' && strchr(letters, word[1])) || !strncmp(word, "/I", 2));
}

/* Note what an option says of a macro, whose name, and text, follow it. */
static void add_definition(struct build_options *options, char letter, const char *name) {
    struct writer *w = &options->definitions;
    const char *text = strchr(name, '='), *words = letter == 'U' ? "#undef " : "#define ";
    write_raw(w, words, strlen(words));
    size_t begin = w->length;
    write_raw(w, name, text ? (size_t)(text - name) : strlen(name));
    if (letter == 'D') {
        write_raw(w, " ", 1);
        text = text ? text + 1 : "1";
        write_raw(w, text, strlen(text));
    }
    for (size_t i = begin; i < w->length; i++) {
        w->bytes[i] = w->bytes[i] == '\n' ? ' ' : w->bytes[i];
    }
    write_raw(w, "\n", 1);
}

/* Note the file or folder that is a macro's text, if it is one by its whole name. */
static void add_named(struct build_options *options, char *name) {
    char *text = strchr(name, '=');
    text = text ? strip(strip(text + 1, SPACES), "\"<>") : NULL;
    char *path = text && text[0] == '/' ? realpath(text, NULL) : NULL;
    if (path && strcmp(path, "/")) {
        options->named[options->named_count++] = path;
    } else {
        free(path);
    }
}

/* Read an option, which may be two words; what follows its letter is written to `name`. */
static const char *read_option(const char *at, char *word, char **name) {
    at = read_word(at, word);
    *name = is_option(word, "IDU") ? word + 2 : NULL;
    return *name && !**name ? read_word(at + strspn(at, SPACES), *name) : at;
}

bool read_build_options(struct build_options *options, const char *given) {
    size_t room = strlen(given) + 1;
    char *word = malloc(room), *name;
    *options = (struct build_options){
        .sent = calloc(1, room), .folders = calloc(room, sizeof(char *)), .named = calloc(room, sizeof(char *))};
    if (!word || !options->sent || !options->folders || !options->named) {
        free(word);
        return false;
    }
    add_folder(options, ".");
    for (const char *at = given + strspn(given, SPACES), *begin = at; *at; begin = at += strspn(at, SPACES)) {
        at = read_option(at, word, &name);
        bool is_folder = name && word[1] == 'I';
        if (is_folder && add_folder(options, strip(strip(name, SPACES), "\""))) {
            continue;
        }
        send_words(options, begin, at);
        if (name && !is_folder && *name) {
            add_definition(options, word[1], name);
            add_named(options, name);
        }
    }
    free(word);
    return !options->definitions.failed;
}

static void free_paths(char **paths, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(paths[i]);
    }
    free(paths);
}

void build_options_free(struct build_options *options) {
    free_paths(options->folders, options->folder_count);
    free_paths(options->named, options->named_count);
    writer_free(&options->definitions);
    free(options->sent);
}
