/* Says "running" with a command that waits; its worker dies then, and devices that are asked for anew work again. */
#include <dirent.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { PATIENCE_S = 10 };

static int count_sockets(void) {
    int count = 0;
    char target[64];
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(folder));) {
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target);
        count += length > 7 && !memcmp(target, "socket:", 7);
    }
    closedir(folder);
    return count;
}

static void await_sockets(int count) {
    time_t until = time(NULL) + PATIENCE_S;
    while (count_sockets() != count) {
        EXPECT(time(NULL) < until, 1);
    }
}

int main(void) {
    cl_int code;
    int sockets = count_sockets();
    set_up(0);
    EXPECT(count_sockets(), sockets + 1);
    cl_device_id before = device;
    cl_event marker, gate = clCreateUserEvent(context, &code);
    OK(code);
    OK(clEnqueueMarkerWithWaitList(queue, 1, &gate, &marker));
    OK(clFlush(queue));
    printf("running\n");
    fflush(stdout);
    EXPECT(clWaitForEvents(1, &marker), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    OK(clReleaseEvent(marker));
    OK(clReleaseEvent(gate));
    tear_down();
    await_sockets(sockets);
    set_up(0);
    EXPECT(device != before, 1);
    OK(clFinish(queue));
    tear_down();
    return 0;
}
