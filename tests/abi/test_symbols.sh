# SPDX-License-Identifier: MIT
#
# libfilch.so exports what the headers declare, and nothing else.
if [ -n "$FILCH_SANITIZE" ]; then
    echo "skipped here: a sanitizer adds symbols of its own"
    exit 77
fi
exec "$FILCH_SOURCE_DIR/scripts/check_symbols" "$FILCH_BUILD_DIR"
