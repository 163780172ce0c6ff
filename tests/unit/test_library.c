/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <zlib.h>

#include <cloudfs/library.h>
#include <cloudfs/scope.h>

#define SYMBOLS(X) X(crc32) X(zlibVersion)

static void finds_functions_in_their_order(void **state)
{
    struct {
        SYMBOLS(CF_LIBRARY_MEMBER)
    } z = {0};
    static const char *const names[] = {SYMBOLS(CF_LIBRARY_NAME)};
    (void)state;
    assert_int_equal(cf_library_load("libz.so.1", names, CF_COUNT(names), &z), 0);
    assert_string_equal(z.zlibVersion(), zlibVersion());
    assert_int_equal(z.crc32(0, (const Bytef *)"123456789", 9), 0xCBF43926);
}

static void says_what_is_not_there(void **state)
{
    void *functions[2] = {0};
    static const char *const names[] = {"zlibVersion", "no_such_function"};
    (void)state;
    assert_int_equal(cf_library_load("libno-such-library.so.9", names, 1, functions), -ENOTSUP);
    assert_int_equal(cf_library_load("libz.so.1", names, 2, functions), -ENOTSUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_functions_in_their_order),
        cmocka_unit_test(says_what_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
