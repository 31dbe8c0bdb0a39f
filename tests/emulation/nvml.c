/* NVIDIA's management library as `pynvml` loads it, over a machine that is made up: a GPU that tells everything,
 * one in MIG mode with two instances, and one that has fallen off its bus.
 *
 * Where the variable NVML_FAILS has a code, nvmlInit fails with that; with NVML_IS_ODD, sensors
 * tell what cannot be. Source: NVML API reference guide; nvml.h.
 */
#include <stdlib.h>
#include <string.h>

enum { SUCCESS = 0, NOT_SUPPORTED = 3, NOT_FOUND = 6, GPU_IS_LOST = 15 };

typedef struct { const char *uuid, *name; unsigned domain, bus, device; unsigned long long used; int gi, ci; } Thing;
typedef const Thing *Handle;

static const Thing GPUS[] = {
    {"GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "NVIDIA H100", 0, 0x19, 3, 5ull << 30, -1, -1},
    {"GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", "NVIDIA A100", 1, 0x3b, 0, 9ull << 30, -1, -1},
};
static const Thing INSTANCES[] = {
    {"MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "NVIDIA A100 MIG 1g.5gb", 1, 0x3b, 0, 1ull << 30, 9, 0},
    {"MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb", "NVIDIA A100 MIG 3g.20gb", 1, 0x3b, 0, 2ull << 30, 2, 0},
};

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    const char *code = getenv("NVML_FAILS");
    return code ? atoi(code) : SUCCESS;
}
int nvmlShutdown(void) { return SUCCESS; }
const char *nvmlErrorString(int code) { (void)code; return "as made up"; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return SUCCESS; }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Handle *handle) {
    if (index > 1) return GPU_IS_LOST;
    *handle = &GPUS[index];
    return SUCCESS;
}

struct Pci { char old_id[16]; unsigned domain, bus, device, id, sub_id; char bus_id[32]; };
int nvmlDeviceGetPciInfo_v3(Handle gpu, struct Pci *pci) {
    memset(pci, 0, sizeof *pci);
    pci->domain = gpu->domain, pci->bus = gpu->bus, pci->device = gpu->device;
    return SUCCESS;
}

int nvmlDeviceGetUUID(Handle gpu, char *uuid, unsigned size) { strncpy(uuid, gpu->uuid, size); return SUCCESS; }
int nvmlDeviceGetName(Handle gpu, char *name, unsigned size) { strncpy(name, gpu->name, size); return SUCCESS; }

int nvmlDeviceGetUtilizationRates(Handle gpu, unsigned busy[2]) {
    if (gpu != &GPUS[0]) return NOT_SUPPORTED;
    busy[0] = getenv("NVML_IS_ODD") ? ~0u : 87, busy[1] = 12;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(Handle gpu, unsigned long long memory[3]) {  /* all of it, free, used */
    memory[0] = 80ull << 30, memory[2] = gpu->used, memory[1] = memory[0] - memory[2];
    return SUCCESS;
}

int nvmlDeviceGetTemperature(Handle gpu, int sensor, unsigned *celsius) { (void)gpu, (void)sensor; *celsius = 41; return SUCCESS; }
int nvmlDeviceGetPowerUsage(Handle gpu, unsigned *milliwatts) { (void)gpu; *milliwatts = getenv("NVML_IS_ODD") ? ~0u : 245678; return SUCCESS; }
int nvmlDeviceGetClockInfo(Handle gpu, int clock, unsigned *mhz) { (void)gpu; *mhz = clock == 1 ? 1410 : 7; return SUCCESS; }

int nvmlDeviceGetMigMode(Handle gpu, unsigned *now, unsigned *then) {
    if (gpu == &GPUS[0]) return NOT_SUPPORTED;
    *now = *then = 1;
    return SUCCESS;
}
int nvmlDeviceGetMaxMigDeviceCount(Handle gpu, unsigned *count) { (void)gpu; *count = 7; return SUCCESS; }
int nvmlDeviceGetMigDeviceHandleByIndex(Handle gpu, unsigned index, Handle *instance) {
    (void)gpu;
    if (index != 0 && index != 2) return NOT_FOUND;
    *instance = &INSTANCES[index / 2];
    return SUCCESS;
}
int nvmlDeviceGetGpuInstanceId(Handle instance, unsigned *id) { *id = instance->gi; return SUCCESS; }
int nvmlDeviceGetComputeInstanceId(Handle instance, unsigned *id) { *id = instance->ci; return SUCCESS; }
