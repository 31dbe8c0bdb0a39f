/* C = 2 A B + 3 C by CLBlast, against a plain loop. */
#define CL_TARGET_OPENCL_VERSION 120
#include <clblast_c.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "opencl.h"

enum { M = 130, N = 97, K = 61 };

static cl_mem buffer(const struct opencl *cl, float *values, size_t count) {
    cl_int error;
    const cl_mem_flags flags = CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR;
    cl_mem made = clCreateBuffer(cl->context, flags, count * sizeof *values, values, &error);
    check(error, "clCreateBuffer");
    return made;
}

int main(void) {
    static float a[M * K], b[K * N], c[M * N], expected[M * N];
    for (int i = 0; i < M * K; i++)
        a[i] = (float)(i % 17) / 17 - 0.5f;
    for (int i = 0; i < K * N; i++)
        b[i] = (float)(i % 23) / 23 - 0.5f;
    for (int i = 0; i < M * N; i++)
        c[i] = (float)(i % 5);
    for (int row = 0; row < M; row++)
        for (int column = 0; column < N; column++) {
            float sum = 0;
            for (int k = 0; k < K; k++)
                sum += a[row * K + k] * b[k * N + column];
            expected[row * N + column] = 2 * sum + 3 * c[row * N + column];
        }

    struct opencl cl = opened();
    cl_mem on_a = buffer(&cl, a, M * K), on_b = buffer(&cl, b, K * N), on_c = buffer(&cl, c, M * N);
    check(CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, M, N, K, 2, on_a, 0, K, on_b, 0,
                       N, 3, on_c, 0, N, &cl.queue, NULL),
          "CLBlastSgemm");
    check(clEnqueueReadBuffer(cl.queue, on_c, CL_TRUE, 0, sizeof c, c, 0, NULL, NULL), "clEnqueueReadBuffer");

    float worst = 0;
    for (int i = 0; i < M * N; i++)
        worst = fmaxf(worst, fabsf(c[i] - expected[i]));
    printf("largest error %g\n", worst);
    return worst > 1e-4f;
}
