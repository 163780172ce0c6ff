/* SPDX-License-Identifier: Apache-2.0 */
/* Any manifest is scanned: what is found are whole references at lines that it has, each once. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/scan.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void check_image(const struct cf_scanned *image, size_t lines)
{
    struct cf_reference reference;
    char text[CF_REFERENCE_WHOLE_SIZE];

    must(cf_reference_parse(image->reference, &reference, NULL) == 0);
    must(cf_reference_whole(&reference, text) == image->domain_len);
    must(strcmp(text, image->reference) == 0 && image->place_count > 0);
    for (size_t i = 0; i < image->place_count; i++)
        must(image->places[i].line >= 1 && image->places[i].line <= lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cf_scan_result result = {0};
    struct cf_error err = {0};
    size_t lines = 1;

    for (size_t i = 0; i < len; i++)
        lines += data[i] == '\n' || data[i] == '\r' || data[i] >= 0x80; /* NEL, LS, PS too */
    must(cf_scan_manifest(len % 4 == 0 ? "a.tmpl" : "a.yaml", data, len, &result, &err) == 0);
    for (size_t i = 0; i < result.count; i++) {
        check_image(&result.images[i], lines);
        must(i == 0 || strcmp(result.images[i - 1].reference, result.images[i].reference) < 0);
    }
    for (size_t i = 0; i < result.warning_count; i++)
        must(result.warnings[i].line <= lines + 1 && !strchr(result.warnings[i].text, '\n'));
    cf_scan_result_done(&result);
    return 0;
}
