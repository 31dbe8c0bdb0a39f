// nbody_step: one time step of n bodies that attract each other. As nbody_step.cl, which has the source and what the
// arguments are.
//
// Launch: one thread per body in blocks of 256, which bring 256 bodies at a time into shared memory.

#define LOCAL_SIZE 256

// Memory need not be aligned to 16 bytes, as loading a float4 at once would ask for.
static __device__ float4 load4(const size_t i, const float *values)
{
    const float *own = values + 4 * i;
    return make_float4(own[0], own[1], own[2], own[3]);
}

static __device__ void store4(const float4 value, const size_t i, float *values)
{
    float *own = values + 4 * i;
    own[0] = value.x;
    own[1] = value.y;
    own[2] = value.z;
    own[3] = value.w;
}

extern "C" __global__ void __launch_bounds__(LOCAL_SIZE) nbody_step(const int n,
                                                                    const float dt,
                                                                    const float softening,
                                                                    const float *__restrict__ positions,
                                                                    float *__restrict__ velocities,
                                                                    float *__restrict__ next_positions)
{
    __shared__ float4 tile[LOCAL_SIZE];
    const float4 nothing = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    const int local_id = threadIdx.x;
    const size_t i = (size_t)blockIdx.x * blockDim.x + local_id;
    const bool inside = i < (size_t)n;
    const float4 own = inside ? load4(i, positions) : nothing;
    const float squared_softening = softening * softening;
    float ax = 0.0f, ay = 0.0f, az = 0.0f;

    for (size_t first = 0; first < (size_t)n; first += LOCAL_SIZE) {
        // Bodies past the last have mu = 0 and pull nothing. Threads past n go on: all must meet the barriers.
        tile[local_id] = first + local_id < (size_t)n ? load4(first + local_id, positions) : nothing;
        __syncthreads();
        for (int j = 0; j < LOCAL_SIZE; j++) {
            const float4 other = tile[j];
            const float dx = other.x - own.x;
            const float dy = other.y - own.y;
            const float dz = other.z - own.z;
            const float inverse = rsqrtf(dx * dx + dy * dy + dz * dz + squared_softening);
            const float pull = other.w * inverse * inverse * inverse;
            ax += pull * dx;
            ay += pull * dy;
            az += pull * dz;
        }
        __syncthreads();
    }

    if (inside) {
        float4 velocity = load4(i, velocities);
        velocity.x += dt * ax;
        velocity.y += dt * ay;
        velocity.z += dt * az;
        store4(velocity, i, velocities);
        store4(make_float4(own.x + dt * velocity.x, own.y + dt * velocity.y, own.z + dt * velocity.z, own.w),
               i, next_positions);
    }
}
