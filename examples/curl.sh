#!/bin/sh
# Blur a photograph and find its edges on an accelerator, with nothing but curl.
#
#   sh examples/curl.sh [PHOTOGRAPH.pgm [RESULT.pgm]]
#
# The pool is that of ACCELPOOL_URL and ACCELPOOL_TOKEN, else the one that `accelpool up` started. ACCELPOOL_CA is the file of
# the authorities that vouch for its certificate, if those of the system do not.
set -eu

here=$(dirname "$0")
photograph=${1:-$here/photographs/eileen_collins.pgm}
result=${2:-edges.pgm}

scratch=$(mktemp -d)
lease=
finish() {
    test -z "$lease" || call DELETE "/leases/$lease" >/dev/null || true # on success and on failure
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- the pool's URL and token; the token goes to curl in a file, where `ps` does not show it

saved=${XDG_CONFIG_HOME:-$HOME/.config}/accelpool/credentials.json
member() { # NAME <JSON: the value of the first string member of that name; fails if there is none
    tr ',{}' '\n\n\n' | sed -n 's/^[[:space:]]*"'"$1"'":[[:space:]]*"\([^"]*\)".*/\1/p' | head -n 1 | grep .
}
url=${ACCELPOOL_URL:-$(member url <"$saved")}
printf 'header = "Authorization: Bearer %s"\n' "${ACCELPOOL_TOKEN:-$(member token <"$saved")}" >"$scratch/curlrc"
ca=${ACCELPOOL_CA:-$(test -n "${ACCELPOOL_URL:-}" || member ca <"$saved" || true)}
test -z "$ca" || export CURL_CA_BUNDLE="$ca"

call() { # METHOD PATH [curl's options]: print the answer; a failure prints the problem and ends the script
    method=$1 path=$2
    shift 2
    curl --silent --show-error --config "$scratch/curlrc" --request "$method" --output "$scratch/answer" \
        --write-out '%{http_code}' "$@" "$url$path" >"$scratch/status"
    case $(cat "$scratch/status") in
    2*) cat "$scratch/answer" ;;
    *) cat "$scratch/answer" >&2 && return 1 ;;
    esac
}
post() { # PATH JSON: post it and print the answer
    call POST "$1" --header 'Content-Type: application/json' --data "$2"
}

# ---- a lease on one device; it is queued while none is free

answer=$(post '/leases?wait_s=25' '{"kind": "any", "ttl_s": 120, "client": "curl.sh"}')
lease=$(echo "$answer" | member id)
while test "$(echo "$answer" | member state)" = queued; do
    answer=$(call GET "/leases/$lease?wait_s=25")
done
echo "lease $lease is $(echo "$answer" | member state)"

# ---- programs: three from the kernel library, and one of our own

library() { # NAME: build a kernel of the library, print the program's id
    post "/leases/$lease/programs" '{"kernel": "'"$1"'"}' | member id
}
rows=$(library convolve_rows)
columns=$(library convolve_columns)
sobel=$(library sobel)
own=$(
    post "/leases/$lease/programs" "$(echo '{"source": "
        kernel void to_float(global const uchar *from, global float *to)
        { const size_t i = get_global_id(0); to[i] = from[i]; }
        kernel void to_uchar(global const float *from, global uchar *to)
        { const size_t i = get_global_id(0); to[i] = convert_uchar_sat_rte(from[i]); }
    "}' | tr '\n' ' ')" | member id # JSON allows no line breaks in strings
)

# ---- buffers; a PGM file is a short header and then a byte for each pixel

width=$(sed -n '2{s/ .*//p;q;}' "$photograph")
height=$(sed -n '2{s/.* //p;q;}' "$photograph")
pixels=$((width * height))
tail -c "$pixels" "$photograph" >"$scratch/pixels"
printf '\0\0\200\75\0\0\200\76\0\0\300\76\0\0\200\76\0\0\200\75' >"$scratch/weights" # 1 4 6 4 1, over 16: float32

buffer() { # BYTES: make a buffer, print its id
    post "/leases/$lease/buffers" '{"size_bytes": '"$1"'}' | member id
}
put() { # BUFFER FILE: write a file's bytes to a buffer
    call PUT "/leases/$lease/buffers/$1/content" --header 'Content-Type: application/octet-stream' \
        --data-binary "@$2" >/dev/null
}
image=$(buffer "$pixels")
weights=$(buffer 20)
a=$(buffer $((4 * pixels)))
b=$(buffer $((4 * pixels)))
put "$image" "$scratch/pixels"
put "$weights" "$scratch/weights"

# ---- launches; kernels of the library know their own NDRange

launch() { # PROGRAM KERNEL ARGUMENTS [MORE]
    post "/leases/$lease/launches" '{"program": "'"$1"'", "kernel": "'"$2"'", "args": ['"$3"']'"${4:-}"'}' >/dev/null
}
int() { echo '{"type": "int", "value": '"$1"'}'; }
ref() { echo '{"buffer": "'"$1"'"}'; }
shape="$(int "$height"), $(int "$width")"
each=', "global_size": ['"$pixels"']'

launch "$own" to_float "$(ref "$image"), $(ref "$a")" "$each"
launch "$rows" convolve_rows "$shape, $(int 5), $(ref "$a"), $(ref "$weights"), $(ref "$b")"
launch "$columns" convolve_columns "$shape, $(int 5), $(ref "$b"), $(ref "$weights"), $(ref "$a")"
launch "$own" to_uchar "$(ref "$a"), $(ref "$image")" "$each"
edges=$(buffer "$pixels")
launch "$sobel" sobel "$shape, $(ref "$image"), $(ref "$edges")"

# ---- the result

{
    printf 'P5\n%d %d\n255\n' "$width" "$height"
    call GET "/leases/$lease/buffers/$edges/content"
} >"$result"
echo "wrote $result, $width x $height"
