// CUDA C++ on a CPU, as far as the kernel library needs it: a block's threads take turns, from barrier to barrier.
//
// A source is compiled as C++ behind this file. Blocks run one after the other, so shared memory may be static.
// Each thread of a block that has barriers is a coroutine. A barrier that only some of a block's threads meet is
// undefined on a GPU, and told here.

#include <math.h>
#include <stdlib.h>
#include <ucontext.h>

#include <algorithm>
#include <memory>
#include <vector>

struct dim3 {
    unsigned int x, y, z;
};

struct float4 {
    float x, y, z, w;
};

static dim3 gridDim, blockDim, blockIdx, threadIdx;

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(threads)
#define __syncthreads() emulation::meet()

using std::max;
using std::min;

static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline float rsqrtf(float value) { return 1.0f / sqrtf(value); }
static inline int __float2int_rn(float value) { return (int)lrintf(value); }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline unsigned int atomicAdd(unsigned int *target, unsigned int value)
{
    const unsigned int old = *target;
    *target += value;
    return old;
}

namespace emulation {

const size_t STACK_BYTES = 64 << 10;
const size_t STRIDE = 167; // a prime: an order of turns that no kernel may count on, so that a missing barrier shows

struct Thread {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[STACK_BYTES]};
    dim3 index{};
    bool ended = false;
};

static ucontext_t scheduler;
static Thread *running = nullptr;
static void (*body)() = nullptr;

static void enter()
{
    body();
    running->ended = true;
    swapcontext(&running->context, &scheduler);
}

static void meet() { swapcontext(&running->context, &scheduler); }

// Runs a block of coroutines; false if a barrier was not met by all of them.
static bool run_block(std::vector<Thread> &threads)
{
    for (Thread &thread : threads) {
        thread.ended = false;
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.get();
        thread.context.uc_stack.ss_size = STACK_BYTES;
        makecontext(&thread.context, enter, 0);
    }
    size_t ended = 0;
    for (size_t round = 0; ended == 0; round++) {
        for (size_t turn = 0; turn < threads.size(); turn++) {
            Thread &thread = threads[(turn * STRIDE + round) % threads.size()];
            running = &thread;
            threadIdx = thread.index;
            swapcontext(&scheduler, &thread.context);
            ended += thread.ended;
        }
    }
    return ended == threads.size();
}

// Runs a launch; false if a barrier was not met by all threads of a block.
static bool launch(void (*kernel)(), dim3 grid, dim3 block, bool has_barriers)
{
    gridDim = grid, blockDim = block, body = kernel;
    std::vector<Thread> threads(has_barriers ? block.x * block.y : 0);
    for (size_t place = 0; place < threads.size(); place++)
        threads[place].index = {unsigned(place % block.x), unsigned(place / block.x), 0};
    for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) {
            if (has_barriers) {
                if (!run_block(threads))
                    return false;
                continue;
            }
            for (threadIdx.y = 0; threadIdx.y < block.y; threadIdx.y++)
                for (threadIdx.x = 0; threadIdx.x < block.x; threadIdx.x++)
                    kernel();
        }
    return true;
}

} // namespace emulation
