/* Sources that include files of a folder that only this process works in: a node finds none of them by these names.
 */
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static const char KERNEL[] = "#include \"value.h\"\nkernel void f(global int *a) { *a = VALUE; }";

static void write_file(const char *name, const char *text) {
    FILE *file = fopen(name, "w");
    EXPECT(file != NULL, 1);
    fputs(text, file);
    fclose(file);
}

static cl_program new_program(const char *source) {
    cl_int code;
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    OK(code);
    return program;
}

/* What `f` of a built program writes. */
static int value_of(cl_program program) {
    cl_int code;
    int value = 0;
    cl_mem buffer = new_buffer(sizeof value);
    cl_kernel kernel = clCreateKernel(program, "f", &code);
    OK(code);
    OK(clSetKernelArg(kernel, 0, sizeof buffer, &buffer));
    OK(clEnqueueTask(queue, kernel, 0, NULL, NULL));
    OK(clEnqueueReadBuffer(queue, buffer, CL_TRUE, 0, sizeof value, &value, 0, NULL, NULL));
    OK(clReleaseKernel(kernel));
    OK(clReleaseMemObject(buffer));
    return value;
}

/* What was given is what infos say. */
static void says(cl_program program, const char *source, const char *options) {
    char text[200];
    cl_build_status status;
    OK(clGetProgramInfo(program, CL_PROGRAM_SOURCE, sizeof text, text, NULL));
    EXPECT(strcmp(text, source), 0);
    OK(clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_OPTIONS, sizeof text, text, NULL));
    EXPECT(strcmp(text, options), 0);
    OK(clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_STATUS, sizeof status, &status, NULL));
    EXPECT(status, CL_BUILD_SUCCESS);
}

/* Built anew with other folders it is another program; what cannot be sent changes nothing; what is not found fails.
 */
static void each_build_has_its_own_folders(void) {
    cl_program program = new_program(KERNEL);
    OK(clBuildProgram(program, 0, NULL, "-I one -w", NULL, NULL));
    EXPECT(value_of(program), 1);
    says(program, KERNEL, "-I one -w");
    OK(clBuildProgram(program, 1, &device, "-Itwo", NULL, NULL));
    EXPECT(value_of(program), 2);
    OK(clBuildProgram(program, 1, &device, "-Itwo", NULL, NULL));
    EXPECT(value_of(program), 2);
    EXPECT(clBuildProgram(program, 1, &device, "-I broken", NULL, NULL), CL_INVALID_VALUE);
    EXPECT(value_of(program), 2);
    says(program, KERNEL, "-Itwo");
    EXPECT(clBuildProgram(program, 1, &device, "", NULL, NULL), CL_BUILD_PROGRAM_FAILURE);
    write_file("value.h", "#define VALUE 3\n"); /* of the working folder */
    OK(clBuildProgram(program, 1, &device, NULL, NULL, NULL));
    EXPECT(value_of(program), 3);
    EXPECT(unlink("value.h"), 0);
    OK(clReleaseProgram(program));
}

static cl_int status_for(cl_program program, cl_device_id part) {
    cl_build_status status;
    OK(clGetProgramBuildInfo(program, part, CL_PROGRAM_BUILD_STATUS, sizeof status, &status, NULL));
    return status;
}

/* Of a program that has another text now nothing is built for the devices that it was built for before. */
static void what_was_built_of_another_text_is_gone(void) {
    cl_int code;
    cl_uint count = 0;
    cl_device_id parts[2];
    const char *source = KERNEL;
    const cl_device_partition_property each[] = {CL_DEVICE_PARTITION_BY_COUNTS, 1, 1, 0, 0};
    if (clCreateSubDevices(device, each, 2, parts, &count) != CL_SUCCESS || count != 2) {
        return; /* there is but one core, or the driver has no such parts */
    }
    cl_context both = clCreateContext(NULL, 2, parts, NULL, NULL, &code);
    OK(code);
    cl_program program = clCreateProgramWithSource(both, 1, &source, NULL, &code);
    OK(code);
    OK(clBuildProgram(program, 1, &parts[0], "-I one", NULL, NULL));
    OK(clBuildProgram(program, 1, &parts[1], "-I two", NULL, NULL));
    EXPECT(status_for(program, parts[0]), CL_BUILD_NONE);
    EXPECT(status_for(program, parts[1]), CL_BUILD_SUCCESS);
    OK(clBuildProgram(program, 1, &parts[0], "-I two", NULL, NULL));
    EXPECT(status_for(program, parts[0]), CL_BUILD_SUCCESS);
    EXPECT(status_for(program, parts[1]), CL_BUILD_SUCCESS);
    OK(clReleaseProgram(program));
    OK(clReleaseContext(both));
    OK(clReleaseDevice(parts[0]));
    OK(clReleaseDevice(parts[1]));
}

static cl_program compiled(const char *options, cl_program header) {
    const char *name = "header.h";
    cl_program program = new_program(
        "#include \"header.h\"\n#include <value.h>\n"
        "kernel void f(global int *a) { *a = HEADERS + 10 * VALUE; }");
    OK(clCompileProgram(program, 1, &device, options, 1, &header, &name, NULL, NULL));
    return program;
}

static int linked_value_of(cl_program program) {
    cl_int code;
    cl_program linked = clLinkProgram(context, 1, &device, "", 1, &program, NULL, NULL, &code);
    OK(code);
    int value = value_of(linked);
    OK(clReleaseProgram(linked));
    OK(clReleaseProgram(program));
    return value;
}

/* A header of a compilation includes files, too, and a file of the name that it goes by is not taken instead. */
static void headers_include_files_too(void) {
    write_file("one/header.h", "wrong");
    cl_program header = new_program("#include <value.h>\nenum { HEADERS = VALUE + 4 };");
    EXPECT(linked_value_of(compiled("-I one", header)), 15);
    EXPECT(linked_value_of(compiled("-I two", header)), 26);
    OK(clReleaseProgram(header));
}

struct build {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int is_over;
};

static void is_over(cl_program program, void *user_data) {
    struct build *build = user_data;
    (void)program;
    pthread_mutex_lock(&build->lock);
    build->is_over = 1;
    pthread_cond_signal(&build->changed);
    pthread_mutex_unlock(&build->lock);
}

static void a_callback_is_told(void) {
    struct build build = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    cl_program program = new_program(KERNEL);
    OK(clBuildProgram(program, 0, NULL, "-I two", is_over, &build));
    pthread_mutex_lock(&build.lock);
    while (!build.is_over) {
        pthread_cond_wait(&build.changed, &build.lock);
    }
    pthread_mutex_unlock(&build.lock);
    EXPECT(value_of(program), 2);
    OK(clReleaseProgram(program));
}

int main(void) {
    char folder[] = "/tmp/accelpool-includes-XXXXXX";
    set_up(0);
    EXPECT(mkdtemp(folder) != NULL, 1);
    OK(chdir(folder));
    OK(mkdir("one", 0700));
    OK(mkdir("two", 0700));
    OK(mkdir("broken", 0700));
    write_file("one/value.h", "#pragma once\n#include \"deeper.h\"\n");
    write_file("one/deeper.h", "#define VALUE 1\n");
    write_file("two/value.h", "#define VALUE 2\n");
    write_file("broken/value.h", "\xff");
    each_build_has_its_own_folders();
    what_was_built_of_another_text_is_gone();
    headers_include_files_too();
    a_callback_is_told();
    const char *files[] = {"one/header.h", "one/value.h",    "one/deeper.h", "one", "two/value.h",
                           "two",          "broken/value.h", "broken",       folder};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        OK(remove(files[i]));
    }
    OK(clFinish(queue)); /* after which the worker has heard of all that was released */
    tear_down();
    return 0;
}
