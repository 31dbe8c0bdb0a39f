// black_scholes: the prices of European call and put options on a stock without dividends.
//
// Source: Black and Scholes, "The Pricing of Options and Corporate Liabilities", Journal of Political Economy
// 81(3), 1973, equation (13); the put by put-call parity. The normal distribution: N(d) = erfc(-d / sqrt(2)) / 2.
// spot, strike: (n,) float32, money, > 0; expiry: (n,) float32, years, > 0; call, put: (n,) float32, money.
// rate: continuously compounded, per year; volatility: per square root of a year, > 0.
// NDRange: one work-item per option; the ids past n do nothing.

__kernel void black_scholes(const int n,
                            const float rate,
                            const float volatility,
                            __global const float *restrict spot,
                            __global const float *restrict strike,
                            __global const float *restrict expiry,
                            __global float *restrict call,
                            __global float *restrict put)
{
    const size_t i = get_global_id(0);
    if (i >= (size_t)n)
        return;

    const float inverse_root_2 = 0.70710678f;
    const float deviation = volatility * sqrt(expiry[i]);
    const float d1 = (log(spot[i] / strike[i]) + rate * expiry[i]) / deviation + 0.5f * deviation;
    const float d2 = d1 - deviation;
    const float discounted_strike = strike[i] * exp(-rate * expiry[i]);

    // erfc keeps the small tails that 1 - N(d) would cancel away.
    call[i] = 0.5f * (spot[i] * erfc(-d1 * inverse_root_2) - discounted_strike * erfc(-d2 * inverse_root_2));
    put[i] = 0.5f * (discounted_strike * erfc(d2 * inverse_root_2) - spot[i] * erfc(d1 * inverse_root_2));
}
