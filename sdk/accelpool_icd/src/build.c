#include "build.h"

#include <string.h>

static char *take_string(struct reader *fields) {
    struct text text = read_text(fields);
    char *string = fields->failed ? NULL : malloc(text.length + 1);
    if (!string) {
        fields->failed = true;
        return NULL;
    }
    memcpy(string, text.chars, text.length);
    string[text.length] = '\0';
    return string;
}

static void read_args(struct kernel_info *info, struct reader *fields) {
    size_t count = read_array(fields);
    info->has_args = count > 0 && count == info->arg_count;
    info->args = calloc(info->arg_count + 1, sizeof *info->args);
    fields->failed = fields->failed || !info->args;
    for (size_t i = 0; i < count && !fields->failed; i++) {
        struct reader arg = take_value(fields);
        if (i >= info->arg_count) {
            continue;
        }
        struct arg_info *to = &info->args[i];
        read_array(&arg);
        to->name = take_string(&arg);
        to->type_name = take_string(&arg);
        to->address = (cl_uint)read_uint(&arg);
        to->access = (cl_uint)read_uint(&arg);
        to->type_qualifier = read_uint(&arg);
        fields->failed = arg.failed;
    }
}

static void read_groups(struct kernel_info *info, struct reader *fields, cl_uint group_count) {
    size_t count = read_array(fields);
    info->groups = calloc(group_count, sizeof *info->groups);
    fields->failed = fields->failed || !info->groups;
    for (size_t i = 0; i < count && !fields->failed; i++) {
        struct reader group = take_value(fields);
        if (i >= group_count) {
            continue;
        }
        struct work_group_info *to = &info->groups[i];
        read_array(&group);
        to->size = (size_t)read_uint(&group);
        size_t dimensions = read_array(&group);
        for (size_t d = 0; d < dimensions; d++) {
            size_t size = (size_t)read_uint(&group);
            if (d < 3) {
                to->compile_size[d] = size;
            }
        }
        to->local_bytes = read_uint(&group);
        to->preferred_multiple = (size_t)read_uint(&group);
        to->private_bytes = read_uint(&group);
        fields->failed = group.failed;
    }
}

static void read_kernel(struct kernel_info *info, struct reader fields, cl_uint group_count, bool *failed) {
    read_array(&fields);
    info->name = take_string(&fields);
    info->arg_count = (cl_uint)read_uint(&fields);
    fields.failed = fields.failed || info->arg_count > 65536;
    info->attributes = take_string(&fields);
    if (!fields.failed) {
        read_args(info, &fields);
    }
    if (!fields.failed) {
        read_groups(info, &fields, group_count);
    }
    *failed = *failed || fields.failed;
}

struct build *build_read(struct reader *fields, cl_uint group_count) {
    struct build *build = calloc(1, sizeof *build);
    size_t count = read_array(fields);
    if (!build || !(build->kernels = calloc(count + 1, sizeof *build->kernels))) {
        free(build);
        return NULL;
    }
    build->references = 1;
    build->group_count = group_count;
    bool failed = false;
    for (; build->kernel_count < count && !failed; build->kernel_count++) {
        read_kernel(&build->kernels[build->kernel_count], take_value(fields), group_count, &failed);
    }
    if (failed || fields->failed) {
        release_build(build);
        return NULL;
    }
    return build;
}

void release_build(struct build *build) {
    if (!build || atomic_fetch_sub(&build->references, 1) != 1) {
        return;
    }
    for (cl_uint k = 0; k < build->kernel_count; k++) {
        struct kernel_info *info = &build->kernels[k];
        for (cl_uint a = 0; info->args && a < info->arg_count; a++) {
            free(info->args[a].name);
            free(info->args[a].type_name);
        }
        free(info->args);
        free(info->groups);
        free(info->name);
        free(info->attributes);
    }
    free(build->kernels);
    free(build);
}

struct kernel_info *find_kernel(struct build *build, const char *name) {
    for (cl_uint k = 0; build && k < build->kernel_count; k++) {
        if (!strcmp(build->kernels[k].name, name)) {
            return &build->kernels[k];
        }
    }
    return NULL;
}
