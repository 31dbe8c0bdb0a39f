#define _GNU_SOURCE
#include "sources.h"

#include <stdio.h>
#include <string.h>

#include "extensions.h"
#include "includes.h"
#include "tags.h"

cl_int announce_source(cl_context context, uint64_t handle, const char *source) {
    struct connection *c = context->session->connection;
    char *text;
    if (asprintf(&text, "%s%s", lines_before_sources(context), source) < 0) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    struct writer *w = begin(c, CREATE_PROGRAM_WITH_SOURCE, 3);
    if (w) {
        write_uint(w, handle);
        write_uint(w, context->handle);
        write_text(w, text);
    }
    free(text);
    return w ? post(c) : CL_OUT_OF_RESOURCES;
}

/* What a program's source is with its includes; NULL if it has none. */
static cl_int expand_source(const struct sources *sources, cl_program program, const struct kept_names *kept,
                            char **text) {
    if (!program->source || !has_includes(program->source)) {
        return CL_SUCCESS;
    }
    char problem[200];
    *text = with_includes(program->source, &sources->options, kept, problem, sizeof problem);
    if (*text) {
        return CL_SUCCESS;
    }
    say("included files", problem[0] ? problem : "no memory");
    return problem[0] ? CL_INVALID_VALUE : CL_OUT_OF_HOST_MEMORY;
}

cl_int open_sources(struct sources *sources, cl_program program, const char *options, cl_uint header_count,
                    const cl_program *headers, const char **names) {
    struct kept_names kept = {header_count, names};
    *sources = (struct sources){.connection = program->session->connection};
    sources->headers = calloc(header_count + 1, sizeof *sources->headers);
    if (!sources->headers || !read_build_options(&sources->options, options)) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    cl_int code = expand_source(sources, program, &kept, &sources->text);
    sources->header_count = header_count;
    for (cl_uint i = 0; code == CL_SUCCESS && i < header_count; i++) {
        sources->headers[i].program = headers[i];
        code = expand_source(sources, headers[i], &kept, &sources->headers[i].text);
    }
    return code;
}

/* The program has another handle from now on: what was built by the old one for devices that are not built for now is
 * gone. */
static void set_handle(cl_program program, uint64_t handle) {
    pthread_mutex_lock(&program->lock);
    for (cl_uint i = 0; i < program->device_count; i++) {
        struct device_build *result = &program->results[i];
        if (result->status != CL_BUILD_IN_PROGRESS) {
            free(result->log);
            *result = (struct device_build){.status = CL_BUILD_NONE};
        }
    }
    pthread_mutex_unlock(&program->lock);
    release_handle(program->session->connection, atomic_exchange(&program->handle, handle));
}

static cl_int send_text(struct sources *sources, cl_program program) {
    if (!sources->text || !strcmp(sources->text, program->sent ? program->sent : program->source)) {
        return CL_SUCCESS;
    }
    uint64_t handle = new_handle(sources->connection);
    cl_int code = announce_source(program->context, handle, sources->text);
    if (code == CL_SUCCESS) {
        set_handle(program, handle);
        free(program->sent);
        program->sent = sources->text;
        sources->text = NULL;
    }
    return code;
}

/* A header that may have files in it is announced for one compilation: others may have other folders, meanwhile. */
static cl_int send_header(struct header *header) {
    if (!header->text) {
        header->handle = header->program->handle;
        return CL_SUCCESS;
    }
    header->handle = new_handle(header->program->session->connection);
    return announce_source(header->program->context, header->handle, header->text);
}

cl_int send_sources(struct sources *sources, cl_program program) {
    cl_int code = send_text(sources, program);
    for (cl_uint i = 0; code == CL_SUCCESS && i < sources->header_count; i++) {
        code = send_header(&sources->headers[i]);
    }
    return code;
}

void close_sources(struct sources *sources) {
    for (cl_uint i = 0; i < sources->header_count; i++) {
        struct header *header = &sources->headers[i];
        if (header->text && header->handle) {
            release_handle(sources->connection, header->handle);
        }
        free(header->text);
    }
    free(sources->headers);
    free(sources->text);
    build_options_free(&sources->options);
}
