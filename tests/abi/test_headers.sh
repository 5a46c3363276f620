# SPDX-License-Identifier: MIT
#
# Every public header stands alone in every language version that users compile it in.
exec "$FILCH_SOURCE_DIR/scripts/check_headers" "$CC"
