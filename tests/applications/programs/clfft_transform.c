/* A batch of complex transforms by clFFT: against a sum over its definition, and back again. */
#define CL_TARGET_OPENCL_VERSION 120
#include <clFFT.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "opencl.h"

enum { LENGTH = 120, BATCH = 4, FLOATS = 2 * LENGTH * BATCH };

static void transformed(const float *in, float *out) {
    for (int k = 0; k < LENGTH; k++) {
        double real = 0, imaginary = 0;
        for (int n = 0; n < LENGTH; n++) {
            const double angle = -2 * M_PI * k * n / LENGTH;
            real += in[2 * n] * cos(angle) - in[2 * n + 1] * sin(angle);
            imaginary += in[2 * n] * sin(angle) + in[2 * n + 1] * cos(angle);
        }
        out[2 * k] = (float)real;
        out[2 * k + 1] = (float)imaginary;
    }
}

static float largest_difference(const float *a, const float *b) {
    float worst = 0;
    for (int i = 0; i < FLOATS; i++)
        worst = fmaxf(worst, fabsf(a[i] - b[i]));
    return worst;
}

static void run(clfftPlanHandle plan, clfftDirection direction, struct opencl *cl, cl_mem values, float *out) {
    check(clfftEnqueueTransform(plan, direction, 1, &cl->queue, 0, NULL, NULL, &values, NULL, NULL),
          "clfftEnqueueTransform");
    check(clEnqueueReadBuffer(cl->queue, values, CL_TRUE, 0, FLOATS * sizeof *out, out, 0, NULL, NULL),
          "clEnqueueReadBuffer");
}

int main(void) {
    static float in[FLOATS], expected[FLOATS], out[FLOATS], back[FLOATS];
    for (int i = 0; i < FLOATS; i++)
        in[i] = (float)(i * 37 % 101) / 101 - 0.5f;
    for (int i = 0; i < BATCH; i++)
        transformed(in + 2 * LENGTH * i, expected + 2 * LENGTH * i);

    struct opencl cl = opened();
    cl_int error;
    cl_mem values = clCreateBuffer(cl.context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, sizeof in, in, &error);
    check(error, "clCreateBuffer");
    clfftSetupData setup;
    check(clfftInitSetupData(&setup), "clfftInitSetupData");
    check(clfftSetup(&setup), "clfftSetup");
    clfftPlanHandle plan;
    const size_t length = LENGTH;
    check(clfftCreateDefaultPlan(&plan, cl.context, CLFFT_1D, &length), "clfftCreateDefaultPlan");
    check(clfftSetPlanBatchSize(plan, BATCH), "clfftSetPlanBatchSize");
    check(clfftSetLayout(plan, CLFFT_COMPLEX_INTERLEAVED, CLFFT_COMPLEX_INTERLEAVED), "clfftSetLayout");
    check(clfftBakePlan(plan, 1, &cl.queue, NULL, NULL), "clfftBakePlan");
    run(plan, CLFFT_FORWARD, &cl, values, out);
    run(plan, CLFFT_BACKWARD, &cl, values, back);
    check(clfftDestroyPlan(&plan), "clfftDestroyPlan");
    check(clfftTeardown(), "clfftTeardown");

    const float forward = largest_difference(out, expected), identity = largest_difference(back, in);
    printf("largest error forward %g, there and back %g\n", forward, identity);
    return forward > 1e-3f || identity > 1e-5f;
}
