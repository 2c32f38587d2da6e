#!/bin/sh
# Installs the two libraries, their links, the headers, logrbd.pc and the tool logrbd.
# usage: install.sh BUILD DESTDIR LIBDIR INCLUDEDIR BINDIR
# A file that is there already is replaced only if it is ours: Ceph's own are never overwritten.
set -eu
built=$(realpath "$1")
cd "$(dirname "$0")/.."
destdir=$2 libdir=$3 includedir=$4 bindir=$5

ours() { # a symbol name in the libraries, a word in the texts
    [ ! -e "$1" ] || grep -q logrbd "$1"
}

put() { # FROM TO MODE
    ours "$2" || { echo "install: $2 is there and is not ours (Ceph's?): nothing was changed" >&2; exit 1; }
    [ -n "${dry:-}" ] || { install -D -m "$3" "$1" "$2.new" && mv -f "$2.new" "$2"; }
}

all() {
    for so in librados.so.2 librbd.so.1; do
        put "$built/lib/$so" "$destdir$libdir/$so" 755
        link=$destdir$libdir/${so%.*}
        ours "$link" || { echo "install: $link is there and is not ours: nothing was changed" >&2; exit 1; }
        [ -n "${dry:-}" ] || ln -sf "$so" "$link"
    done
    for h in rados/librados.h rados/rados_types.h rbd/librbd.h rbd/features.h; do
        put "include/$h" "$destdir$includedir/$h" 644
    done
    put "$built/bin/logrbd" "$destdir$bindir/logrbd" 755
    put "$pc" "$destdir$libdir/pkgconfig/logrbd.pc" 644
}

pc=$(mktemp)
trap 'rm -f "$pc"' EXIT
cat > "$pc" <<PC
Name: logrbd
Description: librados and librbd in Rust
Version: $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
Libs: -L$libdir -Wl,-rpath,$libdir -lrbd -lrados
Cflags: -I$includedir
PC
dry=1
all
dry=
all
echo "installed in $destdir$libdir, $destdir$includedir and $destdir$bindir"
