/* The objects behind OpenCL's handles.
 *
 * Each begins with the loader's dispatch table, then says what it is and how often it is held: by the application
 * (clRetain..., clRelease...) and by other objects alike. An object of a session has a handle there, which is given
 * back when the object dies. A handle of the application's that is not the object that a function takes is told by
 * its tag: that gives CL_INVALID_..., though what was freed cannot be told for sure.
 */
#ifndef ACCELPOOL_OBJECTS_H
#define ACCELPOOL_OBJECTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "ends.h"
#include "opencl_constants.h"
#include "opencl_functions.h"
#include "session.h"

/* What loaders look up in the library; all else is hidden. */
#define EXPORTED __attribute__((visibility("default")))
cl_int clIcdGetPlatformIDsKHR(cl_uint num_entries, cl_platform_id *platforms, cl_uint *num_platforms);

enum what {
    A_PLATFORM = 0x61637001,
    A_DEVICE,
    A_CONTEXT,
    A_QUEUE,
    A_MEM,
    A_SAMPLER,
    A_PROGRAM,
    A_KERNEL,
    AN_EVENT,
    A_DEAD_ONE,
    A_SPANNING_CONTEXT, /* those of spanning/ */
    A_SPANNING_QUEUE,
    A_SPANNING_MEM,
    A_SPANNING_SAMPLER,
    A_SPANNING_PROGRAM,
    A_SPANNING_KERNEL,
    AN_SPANNING_EVENT,
};

struct object {
    const void *dispatch;
    enum what what;
    atomic_int references;
};

/* The list that a ..._PROPERTIES info gives back: as it was given, with its 0. */
struct properties {
    size_t bytes;
    void *list;
};

struct _cl_platform_id {
    struct object object;
};

struct _cl_device_id {
    struct object object;
    struct session *session;
    cl_uint place;
    cl_device_id parent; /* of a sub-device */
    struct parting *parting;
    struct properties partition;              /* the parting's */
    struct parting *partings;                 /* of this device; with the connection's lock */
    struct reader info, platform_info;        /* maps of the names that the worker told */
    size_t max_group_size, max_item_sizes[3]; /* of `info`: every launch looks at them */
    bool has_non_uniform_groups;
    bool has_svm; /* coarse-grained */
};

struct callback {
    struct callback *next;
    void (*call)(void);
    cl_int status; /* an event's: of which */
    void *user_data;
};

/* What GetSupportedImageFormats answered. */
struct image_formats {
    struct image_formats *next;
    cl_mem_flags flags;
    cl_mem_object_type type;
    cl_uint count;
    cl_image_format formats[];
};

struct _cl_context {
    struct object object;
    struct session *session;
    uint64_t handle;
    bool is_part; /* of a spanning context: the worker is told of buffers where they are first used */
    cl_uint device_count;
    cl_device_id *devices;
    struct properties properties;
    context_callback notify;
    void *notify_data;
    cl_context next_notified; /* among the session's contexts that want to know its end */
    pthread_mutex_t lock;     /* of what follows */
    struct callback *destructors;
    struct image_formats *image_formats;
};

struct _cl_command_queue {
    struct object object;
    struct session *session;
    uint64_t handle;
    cl_context context;
    cl_device_id device;
    cl_command_queue_properties flags;
    struct properties properties;
    /* with the connection's lock */
    size_t reads_under_way;
    struct ends earlier; /* before a command that waits for all commands there */
    struct ends fence;   /* before any command, since the last barrier: of an out-of-order queue */
};

struct mapping {
    struct mapping *next;
    cl_event event; /* of the read that fills it; NULL if it was waited for */
    cl_mem mem;     /* held, once it is unmapped before it is filled */
    void *pointer;  /* what the application has */
    void *memory;   /* what to free, NULL for host memory of the application's */
    cl_map_flags flags;
    size_t origin[3], region[3]; /* of a buffer: the first of each */
    size_t row_pitch, slice_pitch;
};

struct _cl_mem {
    struct object object;
    struct session *session;
    uint64_t handle;
    cl_context context;
    cl_mem_object_type type;
    cl_mem_flags flags;
    size_t size;
    void *host_ptr;
    cl_mem parent; /* the buffer of a sub-buffer, or of an image */
    size_t origin; /* of a sub-buffer */
    bool is_svm;   /* it is shared virtual memory, at host_ptr */
    cl_mem svm;    /* of a buffer whose host_ptr is in such memory: that */
    struct properties properties;
    pthread_mutex_t lock; /* of what follows */
    bool is_announced;    /* in a part of a spanning context: whether the worker was told of it */
    cl_uint map_count;
    struct mapping *mappings;
    struct callback *destructors;
    /* images */
    cl_image_format format;
    size_t element_bytes;
    size_t extent[3]; /* as docs/wire.md has it */
    cl_image_desc desc;
    size_t row_pitch, slice_pitch; /* of host_ptr, or without gaps */
};

struct _cl_sampler {
    struct object object;
    struct session *session;
    uint64_t handle;
    cl_context context;
    cl_bool is_normalized;
    cl_addressing_mode addressing_mode;
    cl_filter_mode filter_mode;
    struct properties properties;
};

struct arg_info {
    char *name, *type_name;
    cl_uint address, access;
    cl_ulong type_qualifier;
};

struct work_group_info {
    size_t size, compile_size[3], preferred_multiple;
    cl_ulong local_bytes, private_bytes;
};

struct kernel_info {
    char *name, *attributes;
    cl_uint arg_count;
    bool has_args;
    struct arg_info *args;          /* arg_count of them, if has_args */
    struct work_group_info *groups; /* one per device of the program's context */
};

/* The kernels of one build; kernels hold it beyond the next one. */
struct build {
    atomic_int references;
    cl_uint kernel_count;
    cl_uint group_count;
    struct kernel_info *kernels;
};

struct device_build {
    cl_build_status status;
    cl_uint binary_type;
    char *log; /* NULL: ask the worker */
};

struct _cl_program {
    struct object object;
    struct session *session;
    _Atomic uint64_t handle; /* another one when another text is sent: read it once a message is begun */
    cl_context context;
    cl_uint device_count;
    cl_device_id *devices;
    char *source;
    char *sent; /* what the worker has instead, with included files; NULL: the source. Of whoever builds it */
    unsigned char *il;
    size_t il_bytes;
    pthread_mutex_t lock;    /* of what follows */
    atomic_int kernel_count; /* kernels in use: a build needs none */
    struct build *build;     /* the last that succeeded */
    struct device_build *results;
    char *options;
    bool has_new_c; /* OpenCL C 2.0 or newer, or not known here */
    unsigned char *binaries;
    size_t *binary_sizes;
};

struct kernel_arg {
    bool is_set;
    unsigned char *encoded;
    size_t length;
};

struct _cl_kernel {
    struct object object;
    struct session *session;
    uint64_t handle;
    cl_program program;
    struct build *build;
    struct kernel_info *info;
    pthread_mutex_t lock; /* of what follows */
    struct kernel_arg *args;
    cl_uint missing;        /* arguments not yet set */
    bool is_changed;        /* since the worker was told */
    unsigned failures_seen; /* of the connection's, when it was told: after another one it is told again */
};

struct _cl_event {
    struct object object;
    struct session *session;
    uint64_t handle;
    cl_context context;
    cl_command_queue queue; /* NULL of a user event */
    cl_command_type type;
    atomic_int status;
    bool is_read;    /* complete when its bytes are there: the answer tells, not the worker's event */
    bool is_set;     /* a user event that is */
    struct end *end; /* its own, of a read or a user event */
    struct ends before;
    struct task last; /* frees it, where it dies with the connection's lock held */
    /* with the connection's lock */
    bool has_times;
    cl_ulong times[4];
    bool is_watched;
    cl_event next_watched;
    struct callback *callbacks;
};

extern struct _cl_platform_id the_platform;
extern void (*const the_dispatch_table[])(void), (*const the_spanning_dispatch_table[])(void);

/* A zeroed object that is held once, or NULL. */
void *new_object(enum what what, size_t size);
bool is_object(const void *handle, enum what what);
void retain(void *object);
bool try_retain(void *object); /* false if it is dying */
bool release(void *object);    /* whether that was the last: then the caller frees it */
void free_object(void *object);

void release_device(cl_device_id device);
void release_context(cl_context context);
void release_queue(cl_command_queue queue);
void release_mem(cl_mem mem);
void release_sampler(cl_sampler sampler);
void release_program(cl_program program);
void release_kernel(cl_kernel kernel);
void release_event(cl_event event);

/* Copy a list of properties that ends with 0; false without memory. */
bool copy_properties(struct properties *to, const void *list, size_t element_bytes, size_t pair);

/* The places of a context's or a program's devices, as a list in a message. */
void write_places(struct writer *w, cl_uint count, const cl_device_id *devices);

/* All devices of the platform, in a list to be freed; sessions are opened for it. */
cl_int platform_devices(cl_uint *count, cl_device_id **devices);

/* The convention of all clGet...Info. */
cl_int give(size_t room, void *value, size_t *size_ret, const void *from, size_t bytes);
#define GIVE(type, what) give(room, value, size_ret, &(type){what}, sizeof(type))
#define GIVE_TEXT(text) give(room, value, size_ret, (text), strlen(text) + 1)
#define GIVE_BYTES(from, bytes) give(room, value, size_ret, (from), (bytes))

/* Of clSet...DestructorCallback: they are called in reverse order. */
cl_int add_destructor(struct callback **list, pthread_mutex_t *lock, void (*call)(void), void *user_data);

/* A creating function's end: the code where it is wanted. */
void *result(cl_int *errcode_ret, cl_int code, void *object);

#endif
