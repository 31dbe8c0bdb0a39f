"""The sandbox: what a process that runs other people's code takes away from itself before it does.

Kernels are native code on a CPU device, and compilers read hostile source. Each part stands alone, so that
one which this kernel lacks leaves the others in place; what is there, and what is not, is told.

confine      all parts, in their order
policy       what a process may do, and what came of it
paths        which files it may read
folders      its private folder
landlock     files and TCP ports, by the kernel's Landlock
seccomp      system calls, by a filter that is assembled here
rules        which of them a policy allows, and with which arguments
syscalls     their numbers
privileges   capabilities, the user, whether others may look into it
limits       resource limits
cgroups      control groups: what it has with all that it starts
bubblewrap   what is shown to it, by a program around it
usage        what it has on disk
system       how the kernel is called
"""
