/* Random commands on both nodes, each after the one before: what is read is what one memory would have. Its
 * arguments are the seed, and whether the queues are out of order. */
#include "two_nodes.h"

enum { BUFFERS = 3, ITEMS = 2048, HALF = ITEMS / 2, BYTES = ITEMS * sizeof(int), COMMANDS = 400 };

static const char *const SOURCE =
    "kernel void stir(global int *a, global const int *b) {"
    "    int i = get_global_id(0); a[i] = 3 * a[i] + b[i]; }";
static int model[BUFFERS][ITEMS], found[ITEMS];
static cl_mem buffers[BUFFERS], halves[BUFFERS][2];
static cl_event last;

static unsigned state;

static size_t below(size_t bound) {
    return (size_t)rand_r(&state) % bound;
}

static cl_uint after(void) {
    return last != NULL;
}

static const cl_event *before(void) {
    return last ? &last : NULL;
}

static void then(cl_event event) {
    if (last) {
        OK(clReleaseEvent(last));
    }
    last = event;
}

static void fill(cl_command_queue used, int buffer, size_t from, size_t count) {
    cl_event event;
    int value = (int)below(1000);
    OK(clEnqueueFillBuffer(used, buffers[buffer], &value, 4, 4 * from, 4 * count, after(), before(), &event));
    for (size_t i = from; i < from + count; i++) {
        model[buffer][i] = value;
    }
    then(event);
}

static void write_some(cl_command_queue used, int buffer, size_t from, size_t count) {
    cl_event event;
    for (size_t i = from; i < from + count; i++) {
        model[buffer][i] = (int)below(1000);
    }
    OK(clEnqueueWriteBuffer(used, buffers[buffer], CL_FALSE, 4 * from, 4 * count, &model[buffer][from], after(),
                            before(), &event));
    then(event);
}

static void copy(cl_command_queue used, int from, int to, size_t first, size_t count) {
    cl_event event;
    if (from == to) {
        return;
    }
    OK(clEnqueueCopyBuffer(used, buffers[from], buffers[to], 4 * first, 4 * first, 4 * count, after(), before(),
                           &event));
    memcpy(&model[to][first], &model[from][first], 4 * count);
    then(event);
}

static void stir(cl_command_queue used, cl_kernel kernel, int one, int other, size_t half) {
    cl_event event;
    const size_t count = HALF;
    if (one == other) {
        return;
    }
    OK(clSetKernelArg(kernel, 0, sizeof(cl_mem), &halves[one][half]));
    OK(clSetKernelArg(kernel, 1, sizeof(cl_mem), &halves[other][1 - half]));
    OK(clEnqueueNDRangeKernel(used, kernel, 1, NULL, &count, NULL, after(), before(), &event));
    for (size_t i = 0; i < HALF; i++) {
        unsigned sum = 3 * (unsigned)model[one][half * HALF + i] + (unsigned)model[other][(1 - half) * HALF + i];
        model[one][half * HALF + i] = (int)sum;
    }
    then(event);
}

static void read_some(cl_command_queue used, int buffer, size_t from, size_t count) {
    OK(clEnqueueReadBuffer(used, buffers[buffer], CL_TRUE, 4 * from, 4 * count, found, after(), before(), NULL));
    EXPECT(memcmp(found, &model[buffer][from], 4 * count), 0);
}

static void map_some(cl_command_queue used, cl_command_queue other, int buffer, size_t from, size_t count) {
    cl_int code;
    cl_event event;
    int *mapped = clEnqueueMapBuffer(used, buffers[buffer], CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 4 * from, 4 * count,
                                     after(), before(), NULL, &code);
    OK(code);
    EXPECT(memcmp(mapped, &model[buffer][from], 4 * count), 0);
    mapped[0] = model[buffer][from] = (int)below(1000);
    OK(clEnqueueUnmapMemObject(other, buffers[buffer], mapped, 0, NULL, &event));
    then(event);
}

static void command(cl_kernel kernel) {
    int one = (int)below(BUFFERS), other = (int)below(BUFFERS);
    cl_command_queue used = queues[below(2)];
    size_t from = below(3) ? below(ITEMS) : 0, count = from ? 1 + below(ITEMS - from) : ITEMS;
    switch (below(6)) {
    case 0:
        fill(used, one, from, count);
        break;
    case 1:
        write_some(used, one, from, count);
        break;
    case 2:
        copy(used, one, other, from, count);
        break;
    case 3:
        stir(used, kernel, one, other, below(2));
        break;
    case 4:
        read_some(used, one, from, count);
        break;
    default:
        map_some(used, queues[below(2)], one, from, count);
    }
}

static void make(int buffer) {
    cl_int code;
    buffers[buffer] = new_buffer(BYTES);
    for (size_t i = 0; i < 2; i++) {
        cl_buffer_region region = {i * HALF * sizeof(int), HALF * sizeof(int)};
        halves[buffer][i] = clCreateSubBuffer(buffers[buffer], 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
        OK(code);
    }
    fill(queues[0], buffer, 0, ITEMS);
}

int main(int count, char **words) {
    set_up_two_nodes(count > 2 ? CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE : 0, NULL);
    cl_kernel kernel = new_shared_kernel(SOURCE, "stir");
    state = count > 1 ? (unsigned)atoi(words[1]) : 0;
    for (int i = 0; i < BUFFERS; i++) {
        make(i);
    }
    for (int i = 0; i < COMMANDS; i++) {
        command(kernel);
    }
    for (int i = 0; i < BUFFERS; i++) {
        read_some(queues[i % 2], i, 0, ITEMS);
        OK(clReleaseMemObject(halves[i][0]));
        OK(clReleaseMemObject(halves[i][1]));
        OK(clReleaseMemObject(buffers[i]));
    }
    OK(clReleaseEvent(last));
    OK(clReleaseKernel(kernel));
    tear_down_two_nodes();
    return 0;
}
