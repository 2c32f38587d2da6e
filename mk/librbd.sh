#!/bin/sh
# Builds librbd.so.1: a filter that lists the rbd_* names and lets librados.so.2, which holds them, answer.
# usage: librbd.sh SYMBOLS_TSV LIBDIR   (LIBDIR holds librados.so.2 and receives librbd.so.1)
#
# ld.so looks a filter's names up in the filtee first, so the bodies here never run. Should the filtee be another
# librados.so.2 (Ceph's, which has no rbd_*), the undefined logrbd_version below makes loading fail with its name.
# The run path is $ORIGIN: the librados.so.2 beside this file goes before the system's.
set -eu
symbols=$1 libdir=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
{
    printf '.section .note.GNU-stack,"",%%progbits\n.data\n.balign 8\nneeds:\n.quad logrbd_version\n.text\nabsent:\n'
    awk -F'\t' '$2 == "librbd" { printf ".globl %s\n.type %s, %%function\n%s:\n", $1, $1, $1 }' "$symbols"
    case $(uname -m) in
    x86_64) printf 'movq $-95, %%rax\nret\n' ;;
    aarch64) printf 'mov x0, #-95\nret\n' ;;
    *) echo "librbd.sh: no code for this machine" >&2; exit 1 ;;
    esac
} > "$tmp/librbd.s"
"${CC:-cc}" -shared -nostdlib -o "$tmp/librbd.so.1" "$tmp/librbd.s" \
    -Wl,-soname,librbd.so.1 -Wl,-F,librados.so.2 -Wl,-z,now -Wl,-z,defs -Wl,-rpath,'$ORIGIN' -Wl,--enable-new-dtags \
    -Wl,--no-as-needed "$libdir/librados.so.2"
mv -f "$tmp/librbd.so.1" "$libdir/librbd.so.1"
