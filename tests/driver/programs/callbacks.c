/* A callback is called while nobody waits, also after a write that was so large that it had to wait for the socket.
 */
#include <pthread.h>
#include <time.h>

#include "check.h"

enum { LARGE = 48 << 20, ROUNDS = 12, PATIENCE_S = 10 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int calls;

static void called(cl_event event, cl_int status, void *user_data) {
    (void)event, (void)user_data;
    EXPECT(status, CL_COMPLETE);
    pthread_mutex_lock(&lock);
    calls++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void await_calls(int count) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&lock);
    while (calls < count) {
        EXPECT(pthread_cond_timedwait(&changed, &lock, &until), 0);
    }
    pthread_mutex_unlock(&lock);
}

int main(void) {
    cl_int code;
    set_up(0);
    cl_command_queue other = clCreateCommandQueue(context, device, 0, &code);
    OK(code);
    cl_mem small = new_buffer(64), large = new_buffer(LARGE);
    char *bytes = calloc(1, LARGE);
    for (int round = 0; round < ROUNDS; round++) {
        cl_event filled, gate = clCreateUserEvent(context, &code);
        OK(code);
        OK(clEnqueueFillBuffer(queue, small, &round, 4, 0, 64, 1, &gate, &filled));
        OK(clSetEventCallback(filled, CL_COMPLETE, called, NULL));
        memset(bytes, round, LARGE / 4); /* what was gathered leaves meanwhile */
        OK(clEnqueueWriteBuffer(other, large, CL_FALSE, 0, LARGE, bytes, 0, NULL, NULL));
        memset(bytes, round, LARGE); /* while nothing happens at the connection */
        OK(clSetUserEventStatus(gate, CL_COMPLETE));
        await_calls(round + 1);
        OK(clReleaseEvent(filled));
        OK(clReleaseEvent(gate));
        OK(clFinish(other));
    }
    free(bytes);
    OK(clReleaseMemObject(small));
    OK(clReleaseMemObject(large));
    OK(clReleaseCommandQueue(other));
    tear_down();
    return 0;
}
