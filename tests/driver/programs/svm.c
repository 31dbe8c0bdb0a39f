/* Shared virtual memory: allocating, mapping, copying, filling, freeing. */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "check.h"

enum { BYTES = 4096, THREADS = 4, ROUNDS = 25, MAX_ALIGNMENT = 65536 };

static unsigned char sent[BYTES], received[BYTES];

static unsigned char *allocate(size_t size) {
    unsigned char *memory = clSVMAlloc(context, CL_MEM_READ_WRITE, size, 0);
    EXPECT(memory != NULL, 1);
    return memory;
}

static void write_to(void *to, const void *from, size_t size) {
    OK(clEnqueueSVMMemcpy(queue, CL_TRUE, to, from, size, 0, NULL, NULL));
}

/* What is on the node, whatever this process has at the same place. */
static const unsigned char *read_from(const void *from, size_t size) {
    memset(received, 0, sizeof received);
    OK(clEnqueueSVMMemcpy(queue, CL_TRUE, received, from, size, 0, NULL, NULL));
    return received;
}

static void is_of_type(cl_event event, cl_command_type expected) {
    cl_command_type type;
    cl_int status;
    OK(clWaitForEvents(1, &event));
    OK(clGetEventInfo(event, CL_EVENT_COMMAND_TYPE, sizeof type, &type, NULL));
    EXPECT(type, expected);
    OK(clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL));
    EXPECT(status, CL_COMPLETE);
    OK(clReleaseEvent(event));
}

/* ---- allocating ------------------------------------------------------------------------------------------------ */

static void what_is_not_possible_is_no_memory(void) {
    cl_ulong capabilities, largest;
    OK(clGetDeviceInfo(device, CL_DEVICE_SVM_CAPABILITIES, sizeof capabilities, &capabilities, NULL));
    EXPECT(capabilities, CL_DEVICE_SVM_COARSE_GRAIN_BUFFER);
    OK(clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof largest, &largest, NULL));
    const cl_svm_mem_flags flags[] = {CL_MEM_READ_WRITE | CL_MEM_SVM_FINE_GRAIN_BUFFER,
                                      CL_MEM_READ_WRITE | CL_MEM_SVM_ATOMICS, CL_MEM_READ_WRITE | CL_MEM_READ_ONLY,
                                      CL_MEM_USE_HOST_PTR, (cl_svm_mem_flags)1 << 40};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        EXPECT(clSVMAlloc(context, flags[i], 64, 0) == NULL, 1);
    }
    EXPECT(clSVMAlloc(context, CL_MEM_READ_WRITE, 0, 0) == NULL, 1);
    EXPECT(clSVMAlloc(context, CL_MEM_READ_WRITE, largest + 1, 0) == NULL, 1);
    EXPECT(clSVMAlloc(context, CL_MEM_READ_WRITE, SIZE_MAX, 0) == NULL, 1);
    EXPECT(clSVMAlloc(context, CL_MEM_READ_WRITE, 64, 3) == NULL, 1);
    EXPECT(clSVMAlloc(context, CL_MEM_READ_WRITE, 64, 2 * MAX_ALIGNMENT) == NULL, 1);
    EXPECT(clSVMAlloc(NULL, CL_MEM_READ_WRITE, 64, 0) == NULL, 1);
    EXPECT(clSVMAlloc((cl_context)queue, CL_MEM_READ_WRITE, 64, 0) == NULL, 1);
    clSVMFree(context, NULL);
    clSVMFree(context, sent); /* not ours: left alone */
}

static void addresses_are_aligned_and_apart(void) {
    unsigned char *each[40];
    for (int i = 0; i < 40; i++) {
        cl_uint alignment = i ? 1u << (i % 17) : 0;
        each[i] = clSVMAlloc(context, i % 2 ? CL_MEM_READ_WRITE : 0, BYTES, alignment);
        EXPECT(each[i] != NULL && (uintptr_t)each[i] % (alignment ? alignment : 128) == 0, 1);
        memset(each[i], i, BYTES);
    }
    for (int i = 0; i < 40; i++) {
        EXPECT(each[i][0] == i && each[i][BYTES - 1] == i, 1);
        clSVMFree(context, each[i]);
    }
}

/* The node is likely to have again an address that it had before. */
static void nothing_of_this_process_is_overwritten(void) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    unsigned char *before = allocate(BYTES);
    clSVMFree(context, before);
    unsigned char *own = mmap(before, BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    EXPECT(own != MAP_FAILED, 1);
    memset(own, 7, BYTES);
    unsigned char *after = allocate(BYTES);
    EXPECT(after != own, 1);
    memset(after, 8, BYTES);
    EXPECT(own[0] == 7 && own[BYTES - 1] == 7, 1);
    clSVMFree(context, after);
    munmap(own, BYTES);
}

/* ---- mapping ----------------------------------------------------------------------------------------------------
 */

static void mappings_carry_content_both_ways(void) {
    unsigned char *memory = allocate(BYTES);
    cl_event mapped, unmapped;
    write_to(memory, sent, BYTES);
    OK(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, memory, BYTES, 0, NULL, &mapped));
    EXPECT(memcmp(memory, sent, BYTES), 0);
    memory[17] = 99;
    EXPECT(read_from(memory, BYTES)[17], sent[17]); /* not yet */
    OK(clEnqueueSVMUnmap(queue, memory, 0, NULL, &unmapped));
    EXPECT(read_from(memory, BYTES)[17], 99);
    is_of_type(mapped, CL_COMMAND_SVM_MAP);
    is_of_type(unmapped, CL_COMMAND_SVM_UNMAP);
    EXPECT(clEnqueueSVMUnmap(queue, memory, 0, NULL, NULL), CL_INVALID_VALUE);
    clSVMFree(context, memory);
}

static void parts_are_mapped_and_wait_lists_kept(void) {
    unsigned char *memory = allocate(BYTES);
    cl_int code;
    cl_event go = clCreateUserEvent(context, &code), filled, mapped;
    OK(code);
    write_to(memory, sent, BYTES);
    OK(clEnqueueSVMMemFill(queue, memory + 1024, &(int){0x05050505}, 4, 1024, 1, &go, &filled));
    OK(clEnqueueSVMMap(queue, CL_FALSE, CL_MAP_READ, memory + 1000, 100, 1, &filled, &mapped));
    OK(clFlush(queue));
    OK(clSetUserEventStatus(go, CL_COMPLETE));
    OK(clWaitForEvents(1, &mapped));
    EXPECT(memory[1000] == sent[1000] && memory[1024] == 5 && memory[1099] == 5, 1);
    memory[1050] = 1;
    OK(clEnqueueSVMUnmap(queue, memory + 1000, 1, &mapped, NULL)); /* it was mapped to be read */
    EXPECT(read_from(memory, BYTES)[1050], 5);
    OK(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_WRITE_INVALIDATE_REGION, memory + 8, 8, 0, NULL, NULL));
    memset(memory + 8, 3, 8);
    OK(clEnqueueSVMUnmap(queue, memory + 8, 0, NULL, NULL));
    EXPECT(read_from(memory, BYTES)[15], 3);
    EXPECT(received[16], sent[16]);
    is_of_type(mapped, CL_COMMAND_SVM_MAP);
    is_of_type(filled, CL_COMMAND_SVM_MEMFILL);
    OK(clReleaseEvent(go));
    clSVMFree(context, memory);
}

static void what_cannot_be_mapped_is_refused(void) {
    unsigned char *memory = allocate(BYTES);
    EXPECT(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ, memory, 0, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ, memory, BYTES + 1, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ, memory + BYTES, 1, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ, NULL, 1, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ, sent, 1, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMap(queue, CL_TRUE, 1 << 9, memory, 1, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMap(NULL, CL_TRUE, CL_MAP_READ, memory, 1, 0, NULL, NULL), CL_INVALID_COMMAND_QUEUE);
    EXPECT(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ, memory, 1, 1, NULL, NULL), CL_INVALID_EVENT_WAIT_LIST);
    EXPECT(clEnqueueSVMUnmap(queue, sent, 0, NULL, NULL), CL_INVALID_VALUE);
    clSVMFree(context, memory);
    EXPECT(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ, memory, 1, 0, NULL, NULL), CL_INVALID_VALUE);
}

/* ---- copies, fills, hints -----------------------------------------------------------------------------------------
 */

static void copies_go_between_node_and_host(void) {
    unsigned char *one = allocate(BYTES), *other = allocate(BYTES), here[64] = {0};
    cl_event events[3];
    write_to(one, sent, BYTES);
    OK(clEnqueueSVMMemcpy(queue, CL_FALSE, other + 64, one + 128, 1024, 0, NULL, &events[0]));
    OK(clEnqueueSVMMemcpy(queue, CL_TRUE, other, one, 64, 1, &events[0], &events[1]));
    EXPECT(memcmp(read_from(other, BYTES), sent, 64), 0);
    EXPECT(memcmp(received + 64, sent + 128, 1024), 0);
    OK(clEnqueueSVMMemcpy(queue, CL_FALSE, here, sent + 100, sizeof here, 1, &events[1], &events[2])); /* both here */
    OK(clWaitForEvents(1, &events[2]));
    EXPECT(memcmp(here, sent + 100, sizeof here), 0);
    OK(clEnqueueSVMMemcpy(queue, CL_TRUE, one, sent, 0, 0, NULL, NULL)); /* of no bytes */
    for (int i = 0; i < 3; i++) {
        is_of_type(events[i], CL_COMMAND_SVM_MEMCPY);
    }
    EXPECT(clEnqueueSVMMemcpy(queue, CL_TRUE, one + 8, one, 16, 0, NULL, NULL), CL_MEM_COPY_OVERLAP);
    EXPECT(clEnqueueSVMMemcpy(queue, CL_TRUE, sent + 8, sent, 16, 0, NULL, NULL), CL_MEM_COPY_OVERLAP);
    EXPECT(clEnqueueSVMMemcpy(queue, CL_TRUE, NULL, one, 16, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMemcpy(queue, CL_TRUE, one, NULL, 16, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMemcpy(queue, CL_TRUE, one, sent, BYTES + 1, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMemcpy(queue, CL_TRUE, here, one + BYTES - 8, 16, 0, NULL, NULL), CL_INVALID_VALUE);
    clSVMFree(context, one);
    clSVMFree(context, other);
}

static void a_copy_that_blocks_is_over_when_it_returns(void) {
    unsigned char *memory = allocate(BYTES), *more = allocate(BYTES);
    cl_int code;
    cl_event failed = clCreateUserEvent(context, &code);
    OK(code);
    OK(clSetUserEventStatus(failed, -1));
    const size_t sizes[] = {BYTES, 0};
    for (int i = 0; i < 2; i++) {
        EXPECT(clEnqueueSVMMemcpy(queue, CL_TRUE, memory, sent, sizes[i], 1, &failed, NULL),
               CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    }
    EXPECT(clEnqueueSVMMemcpy(queue, CL_TRUE, memory, more, BYTES, 1, &failed, NULL),
           CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
    clFinish(queue); /* says what failed, once */
    cl_event event;
    OK(clEnqueueSVMMemcpy(queue, CL_TRUE, memory, sent, BYTES, 0, NULL, &event));
    is_of_type(event, CL_COMMAND_SVM_MEMCPY);
    OK(clReleaseEvent(failed));
    clSVMFree(context, memory);
    clSVMFree(context, more);
}

static void fills_and_hints(void) {
    unsigned char *memory = allocate(BYTES), *other = allocate(BYTES);
    const void *both[] = {memory + 8, other, memory};
    const size_t sizes[] = {8, 0, BYTES}, too_large[] = {BYTES, 0, 0};
    cl_event filled, moved;
    write_to(memory, sent, BYTES);
    OK(clEnqueueSVMMemFill(queue, memory + 64, &(cl_uint){0x01020304}, 4, 32, 0, NULL, &filled));
    EXPECT(memcmp(read_from(memory, BYTES), sent, 64), 0);
    EXPECT(received[64] == 4 && received[95] == 1 && received[96] == sent[96], 1);
    OK(clEnqueueSVMMemFill(queue, memory, &(int){0}, 4, 0, 0, NULL, NULL));
    OK(clEnqueueSVMMigrateMem(queue, 3, both, NULL, 0, 0, NULL, NULL));
    OK(clEnqueueSVMMigrateMem(queue, 3, both, sizes, CL_MIGRATE_MEM_OBJECT_HOST, 1, &filled, &moved));
    is_of_type(moved, CL_COMMAND_SVM_MIGRATE_MEM);
    is_of_type(filled, CL_COMMAND_SVM_MEMFILL);
    EXPECT(clEnqueueSVMMemFill(queue, memory + 2, &(int){0}, 4, 4, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMemFill(queue, memory, &(int){0}, 3, 9, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMemFill(queue, memory, &(int){0}, 4, BYTES + 4, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMemFill(queue, memory, NULL, 4, 4, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMemFill(queue, sent, &(int){0}, 4, 4, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMigrateMem(queue, 3, both, too_large, 0, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMigrateMem(queue, 0, both, NULL, 0, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMigrateMem(queue, 1, NULL, NULL, 0, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMMigrateMem(queue, 1, both, NULL, 1 << 9, 0, NULL, NULL), CL_INVALID_VALUE);
    clSVMFree(context, memory);
    clSVMFree(context, other);
    EXPECT(clEnqueueSVMMigrateMem(queue, 1, both, NULL, 0, 0, NULL, NULL), CL_INVALID_VALUE);
}

static void another_context_has_memory_of_its_own(void) {
    cl_int code;
    cl_context other = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    OK(code);
    unsigned char *theirs = clSVMAlloc(other, CL_MEM_READ_WRITE, BYTES, 0);
    EXPECT(theirs != NULL, 1);
    EXPECT(clEnqueueSVMMemFill(queue, theirs, &(int){0}, 4, 4, 0, NULL, NULL), CL_INVALID_CONTEXT);
    EXPECT(clEnqueueSVMMap(queue, CL_TRUE, CL_MAP_READ, theirs, 4, 0, NULL, NULL), CL_INVALID_CONTEXT);
    EXPECT(clEnqueueSVMFree(queue, 1, (void **)&theirs, NULL, NULL, 0, NULL, NULL), CL_INVALID_VALUE);
    clSVMFree(context, theirs); /* not its own: left alone */
    theirs[0] = 1;
    clSVMFree(other, theirs);
    OK(clReleaseContext(other));
}

/* ---- freeing ------------------------------------------------------------------------------------------------------
 */

struct freed {
    int times;
    cl_uint count;
    void *first;
};

static void free_them(cl_command_queue of, cl_uint count, void *pointers[], void *user_data) {
    struct freed *freed = user_data;
    cl_context own;
    OK(clGetCommandQueueInfo(of, CL_QUEUE_CONTEXT, sizeof own, &own, NULL));
    for (cl_uint i = 0; i < count; i++) {
        clSVMFree(own, pointers[i]);
    }
    *freed = (struct freed){freed->times + 1, count, count ? pointers[0] : NULL};
}

static void memory_is_freed_in_its_turn(void) {
    cl_int code;
    cl_event go = clCreateUserEvent(context, &code), freed;
    OK(code);
    void *both[] = {allocate(BYTES), NULL, allocate(BYTES)};
    void *first = both[0];
    OK(clEnqueueSVMFree(queue, 3, both, NULL, NULL, 1, &go, &freed));
    EXPECT(clEnqueueSVMFree(queue, 1, both, NULL, NULL, 0, NULL, NULL), CL_INVALID_VALUE); /* it is to be already */
    memset(both, 0, sizeof both);
    memset(first, 1, BYTES); /* still there */
    cl_command_queue other = clCreateCommandQueue(context, device, 0, &code);
    OK(code);
    OK(clEnqueueSVMMemFill(other, first, &(int){5}, 4, BYTES, 0, NULL, NULL));
    OK(clFinish(other));
    OK(clSetUserEventStatus(go, CL_COMPLETE));
    is_of_type(freed, CL_COMMAND_SVM_FREE);
    OK(clReleaseEvent(go));
    OK(clReleaseCommandQueue(other));
    OK(clEnqueueSVMFree(queue, 0, NULL, NULL, NULL, 0, NULL, NULL));
    both[0] = sent;
    EXPECT(clEnqueueSVMFree(queue, 1, both, NULL, NULL, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMFree(queue, 0, both, NULL, NULL, 0, NULL, NULL), CL_INVALID_VALUE);
    EXPECT(clEnqueueSVMFree(queue, 1, NULL, NULL, NULL, 0, NULL, NULL), CL_INVALID_VALUE);
}

static void a_function_frees_before_the_command_is_complete(cl_command_queue used) {
    for (int round = 0; round < ROUNDS; round++) {
        struct freed freed = {0};
        void *both[] = {allocate(BYTES), allocate(64)};
        void *first = both[0];
        cl_event done;
        OK(clEnqueueSVMMemFill(used, first, &(int){5}, 4, BYTES, 0, NULL, NULL));
        OK(clEnqueueSVMFree(used, 2, both, free_them, &freed, 0, NULL, round % 2 ? &done : NULL));
        memset(both, 0, sizeof both);
        OK(round % 4 < 2 ? clFinish(used) : clEnqueueSVMMemcpy(used, CL_TRUE, received, sent, 16, 0, NULL, NULL));
        if (round % 2) {
            is_of_type(done, CL_COMMAND_SVM_FREE);
        }
        OK(clFinish(used));
        EXPECT(freed.times == 1 && freed.count == 2 && freed.first == first, 1);
    }
}

static void what_was_called_off_is_not_freed(void) {
    cl_int code;
    struct freed freed = {0};
    cl_event go = clCreateUserEvent(context, &code), ends[2];
    OK(code);
    void *both[] = {allocate(BYTES), allocate(BYTES)};
    cl_command_queue used = clCreateCommandQueue(context, device, 0, &code);
    OK(code);
    OK(clEnqueueSVMFree(used, 1, both, NULL, NULL, 1, &go, &ends[0]));
    OK(clEnqueueSVMFree(used, 1, both + 1, free_them, &freed, 1, &go, &ends[1]));
    OK(clSetUserEventStatus(go, -1));
    for (int i = 0; i < 2; i++) {
        EXPECT(clWaitForEvents(1, &ends[i]), CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
        OK(clReleaseEvent(ends[i]));
    }
    OK(clReleaseEvent(go));
    clFinish(used);
    EXPECT(freed.times, 0);
    OK(clReleaseCommandQueue(used));
    for (int i = 0; i < 2; i++) {
        memset(both[i], 1, BYTES); /* still there */
        clSVMFree(context, both[i]);
    }
}

/* ---- threads
 * ------------------------------------------------------------------------------------------------------- */

static void *work(void *number) {
    int mine = (int)(intptr_t)number;
    cl_int code;
    cl_command_queue own = clCreateCommandQueue(context, device, 0, &code);
    OK(code);
    for (int round = 0; round < ROUNDS; round++) {
        int *memory = (int *)allocate((size_t)round * 1000 + 8), value = mine * 1000 + round;
        OK(clEnqueueSVMMemFill(own, memory, &value, 4, 8, 0, NULL, NULL));
        OK(clEnqueueSVMMap(own, CL_TRUE, CL_MAP_READ, memory, 8, 0, NULL, NULL));
        EXPECT(memory[0] == value && memory[1] == value, 1);
        OK(clEnqueueSVMUnmap(own, memory, 0, NULL, NULL));
        if (round % 2) {
            OK(clEnqueueSVMFree(own, 1, (void **)&memory, NULL, NULL, 0, NULL, NULL));
        } else {
            clSVMFree(context, memory);
        }
    }
    OK(clFinish(own));
    OK(clReleaseCommandQueue(own));
    return NULL;
}

static void threads_have_memory_each(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        EXPECT(pthread_create(&threads[i], NULL, work, (void *)(intptr_t)(i + 1)), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        EXPECT(pthread_join(threads[i], NULL), 0);
    }
}

int main(void) {
    cl_int code;
    set_up(0);
    for (size_t i = 0; i < sizeof sent; i++) {
        sent[i] = (unsigned char)(i * 7 + i / 256);
    }
    what_is_not_possible_is_no_memory();
    addresses_are_aligned_and_apart();
    nothing_of_this_process_is_overwritten();
    mappings_carry_content_both_ways();
    parts_are_mapped_and_wait_lists_kept();
    what_cannot_be_mapped_is_refused();
    copies_go_between_node_and_host();
    a_copy_that_blocks_is_over_when_it_returns();
    fills_and_hints();
    another_context_has_memory_of_its_own();
    memory_is_freed_in_its_turn();
    a_function_frees_before_the_command_is_complete(queue);
    cl_command_queue out_of_order =
        clCreateCommandQueue(context, device, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &code);
    OK(code);
    a_function_frees_before_the_command_is_complete(out_of_order);
    OK(clReleaseCommandQueue(out_of_order));
    what_was_called_off_is_not_freed();
    threads_have_memory_each();
    tear_down();
    return 0;
}
