/* Prints what the driver makes of a source, on stdin, that includes files, and before it, up to a 0, of the options,
 * the first argument; the others are names of headers. Ends with 3 if the source is refused. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

/* The driver's: beside this file lies another includes.c. */
#include <build_options.c>
#include <computed_include.c>
#include <definitions.c>
#include <directives.c>
#include <included_file.c>
#include <includes.c>
#include <msgpack.c>
#include <tokens.c>

int main(int count, char **words) {
    static char source[1 << 20];
    char problem[200];
    struct build_options options;
    struct kept_names kept = {(size_t)count - 2, (const char **)words + 2};
    source[fread(source, 1, sizeof source - 1, stdin)] = '\0';
    if (!read_build_options(&options, words[1])) {
        return 1;
    }
    char *text = with_includes(source, &options, &kept, problem, sizeof problem);
    if (text) {
        fwrite(options.sent, 1, strlen(options.sent) + 1, stdout);
        fputs(text, stdout);
    } else {
        fprintf(stderr, "%s\n", problem);
    }
    free(text);
    build_options_free(&options);
    return text ? 0 : 3;
}
