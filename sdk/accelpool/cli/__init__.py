"""The command line: `accelpool`.

main         the commands, and what becomes of errors
options      the options that several commands share
output       tables and text for people, one JSON document for programs
failures     exit codes, and the errors of the command line itself
settings     where the command line keeps things
access       the pool that a command asks; credentials
credentials_file  writing these, without losing those of another pool
listings     devices, leases, nodes, kernels, release
smi, top     the pool at a glance, once or as it changes; overview is what both look at
top_screen   what top shows, and what keys do; keyboard has the keys, readings what devices measure
lease        lease: one lease; lease_page prints one
explain      explain: why a lease waits
events       events: what happened, and what happens
bench        bench: how a device does; measure has what is measured
completion   completion: Tab in shells
schema       schema: the JSON Schemas of documents
documents    the types of these
accounts     account, whoami: who may use the pool
tenants      tenants, tenant: who is charged
login        login: a token for who has an account elsewhere
device_login  how somebody logs in with any browser; job_id_token: how a CI job does without
token_exchange  what either gets of the pool for that
trust        trust: whose ID tokens are exchanged
ca           ca: certificates for brokers; certificate_authority makes them
audit        audit: who did what
tokens       token: tokens of accounts; secret_file writes one to a file
join_tokens  node join-token: what lets nodes in
node_operations  node cordon, drain, label, taint, ...: what operators do
services     broker, node: become one of them
run          run, shell, acquire: programs that nobody changed, on a lease's devices
foreground   a command in the foreground: signals, job control, exit code
driver       the native OpenCL driver, and how loaders find it
lease_options  the options that say what lease to take
kept_lease   a lease that processes are run under; keeper is the process that renews it
lease_file   what the driver reads of a lease; tunnel is its way to nodes that do TLS
process_reference  which process is meant
up           a pool on this machine, until Ctrl-C
supervisor   starts its processes again when they die
pool         a broker and an agent as child processes
children     one child process: started, awaited, ended
child        the first code of every child process
signals      what asks a command to end
demo         the demo; filters has its numerical part
doctor       what works here; checks has the single checks, node_report the devices
simulate     simulate: become the broker's simulator
extras       which packages of an extra are missing
"""
