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

bool read_build_options(struct build_options *options, const char *given) {
    size_t room = strlen(given) + 1;
    char *word = malloc(room);
    *options = (struct build_options){calloc(1, room), calloc(room, sizeof *options->folders), 0};
    if (!word || !options->sent || !options->folders) {
        free(word);
        return false;
    }
    add_folder(options, ".");
    for (const char *at = given + strspn(given, SPACES), *begin = at; *at; begin = at += strspn(at, SPACES)) {
        char *name = word + 2;
        at = read_word(at, word);
        bool is_folder = !strncmp(word, "-I", 2) || !strncmp(word, "/I", 2);
        if (is_folder && !*name) {
            at = read_word(at + strspn(at, SPACES), name);
        }
        if (!is_folder || !add_folder(options, strip(strip(name, SPACES), "\""))) {
            send_words(options, begin, at);
        }
    }
    free(word);
    return true;
}

void build_options_free(struct build_options *options) {
    for (size_t i = 0; i < options->folder_count; i++) {
        free(options->folders[i]);
    }
    free(options->folders);
    free(options->sent);
}
