/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epochs.c once more, in C++17: the same output, through feedgpu.hpp.
 *
 *     example_epochs_cpp DATASET [RECORD_BYTES]
 */
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <numeric>

#include <feedgpu/feedgpu.hpp>

namespace
{

constexpr std::uint64_t epochs = 3;

struct totals {
    std::uint64_t samples = 0;
    std::uint64_t sum = 0; /* of all bytes of all fields */
};

void add(totals &epoch, const feedgpu::batch &batch)
{
    epoch.samples += batch->count;
    for (std::uint32_t k = 0; k < batch->field_count; k++) {
        const fg_batch_field &field = batch->fields[k];
        const auto *data = static_cast<const std::uint8_t *>(field.data);

        epoch.sum = std::accumulate(
            data, data + batch->count * field.stride_bytes, epoch.sum);
    }
}

void print(std::uint64_t number, const totals &epoch)
{
    std::cout << "epoch " << number << ": " << epoch.samples << " samples, sum "
              << epoch.sum << "\n";
}

void read_epochs(const feedgpu::loader_config &config)
{
    feedgpu::loader loader(config);
    totals epoch;

    /* Each batch goes back to the loader before the next one is asked for. */
    for (const auto &batch : loader.batches()) {
        if (batch->step == 0 && batch->epoch > 0) {
            print(batch->epoch - 1, epoch);
            epoch = totals();
        }
        add(epoch, batch);
    }
    print(epochs - 1, epoch);
}

} // namespace

int main(int argc, char **argv)
{
    feedgpu::loader_config config;

    if (argc < 2 || argc > 3) {
        std::cerr << "usage: example_epochs_cpp DATASET [RECORD_BYTES]\n";
        return 2;
    }
    config.dataset = argv[1];
    config.dataset_config.record_bytes =
        argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 0;
    config.device = "host";
    config.batch_size = 64;
    config.epochs = epochs;
    config.shuffle = FG_SHUFFLE_BLOCK;
    config.seed = 42;
    try {
        read_epochs(config);
    } catch (const std::exception &err) {
        std::cerr << "example_epochs_cpp: " << err.what() << "\n";
        return 1;
    }
    return 0;
}
