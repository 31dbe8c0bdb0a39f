/* Freeing shared virtual memory after commands. It can be used until then, and its address is no one else's. */
#include <string.h>

#include "event.h"
#include "svm.h"

static void is_over(cl_event event, cl_int status, void *user_data) {
    (void)user_data;
    if (status == CL_COMPLETE) {
        free_those_with(event);
    } else {
        keep_those_with(event); /* nothing was freed */
    }
    release_event(event);
}

static cl_int free_after(cl_command_queue queue, cl_uint count, void **pointers, cl_uint wait_count,
                         const cl_event *wait_list, cl_event *event) {
    cl_event own = NULL;
    cl_int code = may_free(queue->context, count, pointers) ? CL_SUCCESS : CL_INVALID_VALUE;
    code = code == CL_SUCCESS ? clEnqueueMarkerWithWaitList(queue, wait_count, wait_list, &own) : code;
    if (code != CL_SUCCESS) {
        return code;
    }
    own->type = CL_COMMAND_SVM_FREE;
    free_with(own, count, pointers);
    retain(own);
    if (clSetEventCallback(own, CL_COMPLETE, is_over, NULL) != CL_SUCCESS) {
        wait_events(1, &own);
        is_over(own, event_status(own), NULL);
    }
    if (event) {
        *event = own;
    } else {
        release_event(own);
    }
    return CL_SUCCESS;
}

/* ---- by the application -------------------------------------------------------------------------------------- */

struct freeing {
    cl_command_queue queue;
    cl_event has_freed; /* set once the application's function has returned */
    svm_free_callback call;
    void *user_data;
    cl_uint count;
    void *pointers[];
};

static void drop(struct freeing *freeing) {
    release_event(freeing->has_freed);
    release_queue(freeing->queue);
    free(freeing);
}

static void call_it(cl_event event, cl_int status, void *user_data) {
    struct freeing *freeing = user_data;
    if (status == CL_COMPLETE) {
        freeing->call(freeing->queue, freeing->count, freeing->pointers, freeing->user_data);
    }
    clSetUserEventStatus(freeing->has_freed, CL_COMPLETE); /* a failure is told by the other event */
    drop(freeing);
    release_event(event);
}

/* Its turn has come with a first marker; it is complete with a second one, which waits for the function as well. */
static cl_int call_after(struct freeing *freeing, cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    cl_event both[2] = {NULL, freeing->has_freed}, own = NULL;
    cl_int code = clEnqueueMarkerWithWaitList(freeing->queue, wait_count, wait_list, &both[0]);
    code = code == CL_SUCCESS ? clEnqueueMarkerWithWaitList(freeing->queue, 2, both, &own) : code;
    if (code == CL_SUCCESS) {
        own->type = CL_COMMAND_SVM_FREE;
        code = clSetEventCallback(both[0], CL_COMPLETE, call_it, freeing);
    }
    if (code != CL_SUCCESS) {
        clSetUserEventStatus(freeing->has_freed, code);
        drop(freeing);
        if (both[0]) {
            release_event(both[0]);
        }
    }
    if (code == CL_SUCCESS && event) {
        *event = own;
    } else if (own) {
        release_event(own);
    }
    return code;
}

static struct freeing *new_freeing(cl_command_queue queue, cl_uint count, void **pointers, cl_int *code) {
    struct freeing *freeing = malloc(sizeof *freeing + count * sizeof *pointers);
    if (!freeing) {
        *code = CL_OUT_OF_HOST_MEMORY;
        return NULL;
    }
    *freeing = (struct freeing){.queue = queue, .count = count};
    if (count > 0) {
        memcpy(freeing->pointers, pointers, count * sizeof *pointers);
    }
    freeing->has_freed = clCreateUserEvent(queue->context, code);
    if (!freeing->has_freed) {
        free(freeing);
        return NULL;
    }
    retain(queue);
    return freeing;
}

cl_int clEnqueueSVMFree(cl_command_queue queue, cl_uint count, void *pointers[], svm_free_callback call,
                        void *user_data, cl_uint wait_count, const cl_event *wait_list, cl_event *event) {
    cl_int code = check_svm_queue(queue);
    if (code != CL_SUCCESS) {
        return code;
    }
    if ((count == 0) != (pointers == NULL)) {
        return CL_INVALID_VALUE;
    }
    if (!call) {
        return free_after(queue, count, pointers, wait_count, wait_list, event);
    }
    struct freeing *freeing = new_freeing(queue, count, pointers, &code);
    if (!freeing) {
        return code;
    }
    freeing->call = call;
    freeing->user_data = user_data;
    return call_after(freeing, wait_count, wait_list, event);
}
