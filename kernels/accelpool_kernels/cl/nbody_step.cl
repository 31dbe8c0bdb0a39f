// nbody_step: one time step of n bodies that attract each other.
//
// Source: gravity with Plummer softening (Aarseth, "Gravitational N-Body Simulations", 2003),
// acceleration_i = sum over j of mu_j (x_j - x_i) / (|x_j - x_i|^2 + softening^2)^(3/2), and the symplectic Euler
// method (Hairer, Lubich, Wanner, "Geometric Numerical Integration", chapter I): v += a dt, then x += v dt.
// positions, next_positions: (n, 4) float32: x, y, z, mu, where mu is the gravitational constant times the mass.
// velocities: (n, 4) float32: x, y, z and a fourth value that is kept; changed in place.
// softening must be > 0: it also makes a body's pull on itself zero instead of 0 / 0.
// NDRange: one work-item per body in work-groups of 256, which bring 256 bodies at a time into local memory.

#define LOCAL_SIZE 256

__kernel __attribute__((reqd_work_group_size(LOCAL_SIZE, 1, 1)))
void nbody_step(const int n,
                const float dt,
                const float softening,
                __global const float *restrict positions,
                __global float *restrict velocities,
                __global float *restrict next_positions)
{
    __local float4 tile[LOCAL_SIZE];
    const int local_id = get_local_id(0);
    const size_t i = get_global_id(0);
    const bool inside = i < (size_t)n;
    const float4 own = inside ? vload4(i, positions) : (float4)(0.0f);
    const float squared_softening = softening * softening;
    float ax = 0.0f, ay = 0.0f, az = 0.0f;

    for (int first = 0; first < n; first += LOCAL_SIZE) {
        // Bodies past the last have mu = 0 and pull nothing. Ids past n go on: all must meet the barriers.
        tile[local_id] = local_id < n - first ? vload4((size_t)first + local_id, positions) : (float4)(0.0f);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int j = 0; j < LOCAL_SIZE; j++) {
            const float4 other = tile[j];
            const float dx = other.x - own.x;
            const float dy = other.y - own.y;
            const float dz = other.z - own.z;
            const float inverse = rsqrt(dx * dx + dy * dy + dz * dz + squared_softening);
            const float pull = other.w * inverse * inverse * inverse;
            ax += pull * dx;
            ay += pull * dy;
            az += pull * dz;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    if (inside) {
        float4 velocity = vload4(i, velocities);
        velocity.x += dt * ax;
        velocity.y += dt * ay;
        velocity.z += dt * az;
        vstore4(velocity, i, velocities);
        vstore4((float4)(own.x + dt * velocity.x, own.y + dt * velocity.y, own.z + dt * velocity.z, own.w),
                i, next_positions);
    }
}
