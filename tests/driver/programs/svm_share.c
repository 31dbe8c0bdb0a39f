/* What shared virtual memory takes of the lease's share of the device, it gives back. */
#include "check.h"

enum { BYTES = 4 << 20, MOST = 64 };

static cl_uint take_all(void *each[MOST]) {
    cl_uint count = 0;
    while (count < MOST && (each[count] = clSVMAlloc(context, CL_MEM_READ_WRITE, BYTES, 0))) {
        count++;
    }
    EXPECT(count > 4 && count < MOST, 1);
    return count;
}

static void free_each(cl_command_queue of, cl_uint count, void *pointers[], void *unused) {
    (void)of, (void)unused;
    for (cl_uint i = 0; i < count; i++) {
        clSVMFree(context, pointers[i]);
    }
}

int main(void) {
    void *each[MOST];
    set_up(0);
    cl_uint count = take_all(each);
    for (int round = 0; round < 5; round++) {
        for (cl_uint i = 0; i < count; i++) {
            clSVMFree(context, each[i]);
        }
        EXPECT(take_all(each), count);
        OK(clEnqueueSVMFree(queue, count, each, NULL, NULL, 0, NULL, NULL));
        OK(clFinish(queue));
        EXPECT(take_all(each), count);
        OK(clEnqueueSVMFree(queue, count, each, free_each, NULL, 0, NULL, NULL));
        OK(clFinish(queue));
        EXPECT(take_all(each), count);
    }
    free_each(queue, count, each, NULL);
    tear_down();
    return 0;
}
