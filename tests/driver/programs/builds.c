/* Builds whose end a callback tells, and what is asked of programs meanwhile and afterwards. */
#include <pthread.h>

#include "check.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int calls;
static cl_program last;
static pthread_t caller;

static void called(cl_program program, void *user_data) {
    pthread_mutex_lock((pthread_mutex_t *)user_data);
    calls++;
    last = program;
    caller = pthread_self();
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void await_call(int number) {
    pthread_mutex_lock(&lock);
    while (calls < number) {
        pthread_cond_wait(&changed, &lock);
    }
    EXPECT(pthread_equal(caller, pthread_self()), 0);
    pthread_mutex_unlock(&lock);
}

static cl_program new_program(const char *source) {
    cl_int code;
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    OK(code);
    return program;
}

static cl_int status_of(cl_program program) {
    cl_build_status status;
    OK(clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_STATUS, sizeof status, &status, NULL));
    return status;
}

static cl_uint type_of(cl_program program) {
    cl_uint type;
    OK(clGetProgramBuildInfo(program, device, CL_PROGRAM_BINARY_TYPE, sizeof type, &type, NULL));
    return type;
}

/* The callback cannot be called before the lock that it takes is free: so these calls do not wait for it. */
static void calls_return_at_once(void) {
    cl_int code;
    cl_program program = new_program("kernel void f(global int *a) { *a = 1; }"),
               wrong = new_program("kernel nonsense");
    EXPECT(status_of(program), CL_BUILD_NONE);
    pthread_mutex_lock(&lock);
    OK(clBuildProgram(program, 1, &device, "", called, &lock));
    OK(clBuildProgram(wrong, 0, NULL, NULL, called, &lock));
    pthread_mutex_unlock(&lock);
    await_call(2);
    EXPECT(last == wrong, 1);
    EXPECT(status_of(program), CL_BUILD_SUCCESS);
    EXPECT(status_of(wrong), CL_BUILD_ERROR);
    OK(clReleaseKernel(clCreateKernel(program, "f", &code)));
    OK(code);
    EXPECT(clBuildProgram(program, 0, NULL, NULL, NULL, &lock), CL_INVALID_VALUE);
    OK(clReleaseProgram(program));
    OK(clReleaseProgram(wrong));
}

/* The worker hears of the last kernel's end before it builds anew. */
static void a_program_without_kernels_any_more(void) {
    cl_int code;
    cl_program program = new_program("kernel void f(global int *a) { *a = N; }");
    OK(clBuildProgram(program, 0, NULL, "-DN=1", NULL, NULL));
    cl_kernel kernel = clCreateKernel(program, "f", &code);
    OK(code);
    EXPECT(clBuildProgram(program, 0, NULL, "-DN=2", NULL, NULL), CL_INVALID_OPERATION);
    OK(clReleaseKernel(kernel));
    OK(clBuildProgram(program, 0, NULL, "-DN=2", NULL, NULL));
    OK(clReleaseProgram(program));
}

/* A program that is released while it is being built lives until its callback has returned. */
static void a_program_released_meanwhile(void) {
    int before = calls;
    cl_program program = new_program("kernel void g(global int *a) { *a = 2; }");
    OK(clBuildProgram(program, 0, NULL, NULL, called, &lock));
    OK(clReleaseProgram(program));
    await_call(before + 1);
}

static cl_program from_binary_of(cl_program program) {
    size_t size = 0;
    cl_int code;
    OK(clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL));
    EXPECT(size > 0, 1);
    unsigned char *binary = malloc(size);
    OK(clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL));
    cl_program loaded =
        clCreateProgramWithBinary(context, 1, &device, &size, (const unsigned char **)&binary, NULL, &code);
    OK(code);
    free(binary);
    return loaded;
}

/* What cannot be run has no kernels, though there are some in it. */
static void has_no_kernels(cl_program program) {
    size_t count;
    char names[100];
    cl_int code;
    EXPECT(clGetProgramInfo(program, CL_PROGRAM_NUM_KERNELS, sizeof count, &count, NULL),
           CL_INVALID_PROGRAM_EXECUTABLE);
    EXPECT(clGetProgramInfo(program, CL_PROGRAM_KERNEL_NAMES, sizeof names, names, NULL),
           CL_INVALID_PROGRAM_EXECUTABLE);
    EXPECT(clCreateKernel(program, "f", &code) == NULL, 1);
    EXPECT(code, CL_INVALID_PROGRAM_EXECUTABLE);
}

/* What a binary is can be asked before it is built. */
static void types_of_binaries(void) {
    int before = calls;
    cl_int code;
    cl_program part = new_program("kernel void f(global int *a) { *a = 3; }");
    OK(clCompileProgram(part, 1, &device, NULL, 0, NULL, NULL, called, &lock));
    await_call(before + 1);
    EXPECT(type_of(part), CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT);
    has_no_kernels(part);
    cl_program loaded = from_binary_of(part);
    EXPECT(type_of(loaded), CL_PROGRAM_BINARY_TYPE_COMPILED_OBJECT);
    cl_program library = clLinkProgram(context, 1, &device, "-create-library", 1, &loaded, called, &lock, &code);
    OK(code);
    await_call(before + 2);
    EXPECT(last == library, 1);
    EXPECT(type_of(library), CL_PROGRAM_BINARY_TYPE_LIBRARY);
    has_no_kernels(library);
    cl_program whole = clLinkProgram(context, 1, &device, NULL, 1, &library, NULL, NULL, &code);
    OK(code);
    EXPECT(type_of(whole), CL_PROGRAM_BINARY_TYPE_EXECUTABLE);
    cl_program loaded_whole = from_binary_of(whole);
    EXPECT(type_of(loaded_whole), CL_PROGRAM_BINARY_TYPE_EXECUTABLE);
    cl_program all[] = {part, loaded, library, whole, loaded_whole};
    for (int i = 0; i < 5; i++) {
        OK(clReleaseProgram(all[i]));
    }
}

static size_t variable_bytes(cl_program program) {
    size_t bytes = 99, needed = 0;
    const cl_program_build_info name = CL_PROGRAM_BUILD_GLOBAL_VARIABLE_TOTAL_SIZE;
    OK(clGetProgramBuildInfo(program, device, name, 0, NULL, &needed));
    EXPECT(needed, sizeof bytes);
    OK(clGetProgramBuildInfo(program, device, name, sizeof bytes, &bytes, NULL));
    return bytes;
}

static int has_variables(void) {
    size_t most = 0;
    OK(clGetDeviceInfo(device, CL_DEVICE_MAX_GLOBAL_VARIABLE_SIZE, sizeof most, &most, NULL));
    return most >= 8000;
}

/* What program scope variables take, of programs built in one step, and linked. */
static void bytes_of_variables(void) {
    cl_int code;
    cl_program program = new_program("global int v[1000]; kernel void f(global int *a) { v[*a] = *a; }"),
               part = new_program("global int w[1500]; kernel void g(global int *a) { w[*a] = *a; }");
    EXPECT(variable_bytes(program), 0);
    OK(clBuildProgram(program, 0, NULL, "-cl-std=CL3.0", NULL, NULL));
    EXPECT(variable_bytes(program) >= 4000, 1);
    OK(clCompileProgram(part, 0, NULL, "-cl-std=CL3.0", 0, NULL, NULL, NULL, NULL));
    cl_program whole = clLinkProgram(context, 0, NULL, NULL, 1, &part, NULL, NULL, &code);
    OK(code);
    EXPECT(variable_bytes(whole) >= 6000, 1);
    OK(clReleaseProgram(program));
    OK(clReleaseProgram(part));
    OK(clReleaseProgram(whole));
}

/* What is no binary is told at once, for each device. */
static void binaries_that_are_none(void) {
    const unsigned char nonsense[64] = {1, 2, 3}, *binary = nonsense;
    size_t size = sizeof nonsense;
    cl_int status = CL_SUCCESS, code;
    clCreateProgramWithBinary(context, 1, &device, &size, &binary, &status, &code);
    EXPECT(code, CL_INVALID_BINARY);
    EXPECT(status, CL_INVALID_BINARY);
    OK(clFinish(queue));
}

static void set(cl_program program, void *event) {
    (void)program;
    OK(clSetUserEventStatus(event, CL_COMPLETE));
}

/* Who waits for an event that the callback sets sees it. */
static void a_callback_that_sets_an_event(void) {
    cl_int code;
    cl_program program = new_program("kernel void h(global int *a) { *a = 4; }");
    cl_event built = clCreateUserEvent(context, &code);
    OK(code);
    OK(clBuildProgram(program, 0, NULL, NULL, set, built));
    OK(clWaitForEvents(1, &built));
    OK(clReleaseEvent(built));
    OK(clReleaseProgram(program));
}

int main(void) {
    set_up(0);
    calls_return_at_once();
    a_program_without_kernels_any_more();
    a_program_released_meanwhile();
    types_of_binaries();
    if (has_variables()) {
        bytes_of_variables();
    }
    binaries_that_are_none();
    a_callback_that_sets_an_event();
    tear_down();
    return 0;
}
