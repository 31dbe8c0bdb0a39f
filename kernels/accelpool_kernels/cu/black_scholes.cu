// black_scholes: the prices of European call and put options on a stock without dividends. As black_scholes.cl,
// which has the source and what the arguments are.
//
// Launch: one thread per option; those past n do nothing.

extern "C" __global__ void black_scholes(const int n,
                                         const float rate,
                                         const float volatility,
                                         const float *__restrict__ spot,
                                         const float *__restrict__ strike,
                                         const float *__restrict__ expiry,
                                         float *__restrict__ call,
                                         float *__restrict__ put)
{
    const size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= (size_t)n)
        return;

    const float inverse_root_2 = 0.70710678f;
    const float deviation = volatility * sqrtf(expiry[i]);
    const float d1 = (logf(spot[i] / strike[i]) + rate * expiry[i]) / deviation + 0.5f * deviation;
    const float d2 = d1 - deviation;
    const float discounted_strike = strike[i] * expf(-rate * expiry[i]);

    // erfc keeps the small tails that 1 - N(d) would cancel away.
    call[i] = 0.5f * (spot[i] * erfcf(-d1 * inverse_root_2) - discounted_strike * erfcf(-d2 * inverse_root_2));
    put[i] = 0.5f * (discounted_strike * erfcf(d2 * inverse_root_2) - spot[i] * erfcf(d1 * inverse_root_2));
}
