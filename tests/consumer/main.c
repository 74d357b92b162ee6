/* SPDX-License-Identifier: Apache-2.0 */
/* A program outside of the tree. It is compiled as C11, C17 and C++17. */
#include <stdio.h>
#include <string.h>

#include <feedgpu/feedgpu.h>

int main(void)
{
    printf("feedgpu %s (%s)\n", fg_version(), fg_build_features());
    if (strcmp(fg_version(), FG_VERSION_TEXT) != 0) {
        fprintf(stderr, "library and headers are of different versions\n");
        return 1;
    }
    return strcmp(fg_status_name(FG_OK), "FG_OK") == 0 ? 0 : 1;
}
