/* Shared virtual memory of a session that ends under commands on it: it stays this process's, and can be freed. */
#include <unistd.h>

#include "check.h"

enum { BYTES = 1 << 16 };

static void is_not_called(cl_command_queue of, cl_uint count, void *pointers[], void *unused) {
    (void)of, (void)count, (void)pointers, (void)unused;
    EXPECT(0, 1);
}

int main(void) {
    cl_int code;
    cl_event freed[2];
    unsigned char sent[BYTES];
    void *kept, *leaving[2];
    set_up(0);
    memset(sent, 7, sizeof sent);
    kept = clSVMAlloc(context, CL_MEM_READ_WRITE, BYTES, 0);
    leaving[0] = clSVMAlloc(context, CL_MEM_READ_WRITE, BYTES, 0);
    leaving[1] = clSVMAlloc(context, CL_MEM_READ_WRITE, BYTES, 0);
    EXPECT(kept && leaving[0] && leaving[1], 1);
    OK(clEnqueueSVMMemcpy(queue, CL_TRUE, kept, sent, BYTES, 0, NULL, NULL));
    OK(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ, kept, BYTES, 0, NULL, NULL));
    cl_event gate = clCreateUserEvent(context, &code);
    OK(code);
    OK(clEnqueueSVMFree(queue, 1, &leaving[0], NULL, NULL, 1, &gate, &freed[0]));
    OK(clEnqueueSVMFree(queue, 1, &leaving[1], is_not_called, NULL, 1, &gate, &freed[1]));
    OK(clFlush(queue));
    printf("running\n");
    fflush(stdout);
    EXPECT(clWaitForEvents(2, freed), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    EXPECT(((unsigned char *)kept)[BYTES - 1], 7);
    EXPECT(clSVMAlloc(context, CL_MEM_READ_WRITE, BYTES, 0) == NULL, 1);
    EXPECT(clEnqueueSVMMemcpy(queue, CL_TRUE, kept, sent, BYTES, 0, NULL, NULL) < 0, 1);
    EXPECT(clEnqueueSVMMemcpy(queue, CL_TRUE, sent, kept, BYTES, 0, NULL, NULL) < 0, 1);
    EXPECT(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ, kept, BYTES, 0, NULL, NULL) < 0, 1);
    clSVMFree(context, kept);
    clSVMFree(context, leaving[0]);
    clSVMFree(context, leaving[1]);
    OK(clReleaseEvent(freed[0]));
    OK(clReleaseEvent(freed[1]));
    OK(clReleaseEvent(gate));
    tear_down();
    return 0;
}
