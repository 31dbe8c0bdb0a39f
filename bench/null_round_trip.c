/* How long a kernel that does nothing takes, from enqueueing to knowing that it ran, on the first device of the
 * platform whose name contains the argument; and a ping-pong of 64 bytes over the loopback. Prints JSON:
 * microseconds, the median of all rounds and that of the best batch (what the rest of the machine left alone). */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "opencl_constants.h"
#include "opencl_functions.h"

enum { BATCH = 200, ROUNDS = 25 * BATCH };

static double taken[ROUNDS];

static double now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *one, const void *other) {
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static double median(double *times, int count) {
    qsort(times, (size_t)count, sizeof *times, compare);
    return times[count / 2];
}

static void measure(const char *what, void (*round)(void)) {
    double best = 1e9;
    for (int i = 0; i < BATCH; i++) {
        round();
    }
    for (int i = 0; i < ROUNDS; i++) {
        double start = now_us();
        round();
        taken[i] = now_us() - start;
    }
    for (int i = 0; i < ROUNDS; i += BATCH) {
        double of_batch = median(taken + i, BATCH);
        best = of_batch < best ? of_batch : best;
    }
    printf("{\"what\": \"%s\", \"median_us\": %.1f, \"best_batch_us\": %.1f}\n", what, median(taken, ROUNDS), best);
    fflush(stdout);
}

static void check(cl_int code, const char *what) {
    if (code != CL_SUCCESS) {
        fprintf(stderr, "%s: %d\n", what, code);
        exit(1);
    }
}

static cl_command_queue queue;
static cl_kernel kernel;

static void finish_round(void) {
    size_t one = 1;
    check(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &one, &one, 0, NULL, NULL), "clEnqueueNDRangeKernel");
    check(clFinish(queue), "clFinish");
}

static void event_round(void) {
    size_t one = 1;
    cl_event event;
    check(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &one, &one, 0, NULL, &event), "clEnqueueNDRangeKernel");
    check(clWaitForEvents(1, &event), "clWaitForEvents");
    clReleaseEvent(event);
}

static void empty_finish_round(void) {
    check(clFinish(queue), "clFinish");
}

static int client;

static void receive_all(int fd, char *bytes) {
    for (size_t got = 0; got < 64;) {
        ssize_t count = recv(fd, bytes + got, 64 - got, MSG_DONTWAIT);
        if (count == 0) {
            exit(0);
        }
        if (count > 0) {
            got += (size_t)count;
        } else {
            sched_yield();
        }
    }
}

static void *echo(void *fd) {
    char bytes[64];
    for (;;) {
        receive_all((int)(intptr_t)fd, bytes);
        if (send((int)(intptr_t)fd, bytes, 64, MSG_NOSIGNAL) != 64) {
            return NULL;
        }
    }
}

static void ping_round(void) {
    char bytes[64] = {0};
    if (send(client, bytes, 64, MSG_NOSIGNAL) == 64) {
        receive_all(client, bytes);
    }
}

static void open_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    pthread_t thread;
    bind(listener, (struct sockaddr *)&address, sizeof address);
    listen(listener, 1);
    getsockname(listener, (struct sockaddr *)&address, &length);
    client = socket(AF_INET, SOCK_STREAM, 0);
    connect(client, (struct sockaddr *)&address, sizeof address);
    int server = accept(listener, NULL, NULL);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pthread_create(&thread, NULL, echo, (void *)(intptr_t)server);
}

static void set_up(const char *wanted) {
    cl_platform_id platforms[16], platform = NULL;
    cl_device_id device;
    cl_uint found = 0;
    cl_int code;
    const char *source = "kernel void nothing(int a) {}";
    check(clGetPlatformIDs(16, platforms, &found), "clGetPlatformIDs");
    for (cl_uint i = 0; i < found; i++) {
        char name[200];
        clGetPlatformInfo(platforms[i], CL_PLATFORM_NAME, sizeof name, name, NULL);
        platform = strstr(name, wanted) ? platforms[i] : platform;
    }
    check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL), "clGetDeviceIDs");
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    check(code, "clCreateContext");
    queue = clCreateCommandQueue(context, device, 0, &code);
    check(code, "clCreateCommandQueue");
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    check(code, "clCreateProgramWithSource");
    check(clBuildProgram(program, 1, &device, "", NULL, NULL), "clBuildProgram");
    kernel = clCreateKernel(program, "nothing", &code);
    check(code, "clCreateKernel");
    check(clSetKernelArg(kernel, 0, sizeof(int), &(int){0}), "clSetKernelArg");
}

int main(int count, char **words) {
    open_loopback();
    set_up(count > 1 ? words[1] : "accelpool");
    measure("ping-pong over the loopback", ping_round);
    measure("clFinish of an empty queue", empty_finish_round);
    measure("null kernel and clFinish", finish_round);
    measure("null kernel and clWaitForEvents", event_round);
    return 0;
}
