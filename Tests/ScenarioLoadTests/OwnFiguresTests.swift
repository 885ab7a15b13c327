import Cluster
import Cost
import Plan
import Testing

@testable import Scenario

/// Devices by their numbers, prices in other currencies, and what is said of presets.
@Suite struct OwnFiguresTests {
    private func load(_ cluster: String, _ more: String = "", precision: String = "bf16") throws -> Scenario {
        try Scenario.load(
            yaml: """
                model: {preset: llama2-7b}
                cluster: \(cluster)
                layout: {zero: 3}
                training: {global_batch: 64, sequence: 2048, precision: \(precision)}
                software: {framework: fms-fsdp}
                \(more)
                """, file: "job.yaml")
    }

    @Test func deviceByItsNumbers() throws {
        let faster = try load("{gpu: {peak: 1978 TFLOP/s, memory: 100 GiB, bandwidth: 4 TB/s, like: h100-sxm-80gb}, gpus: 8}")
        let device = faster.job.cluster.accelerator
        let like = try Catalogue.accelerator(named: "h100-sxm-80gb")
        #expect(device.peaks[.bf16] == 1978e12)
        #expect(abs((device.peaks[.fp8] ?? 0) / (2 * (like.peaks[.fp8] ?? 1)) - 1) < 0.01)
        #expect(device.memory.count == 100 << 30 && device.memoryBandwidth.bytesPerSecond == 4e12)
        #expect(device.name == "h100-sxm-80gb by numbers" && device.knownAs == "h100-sxm-80gb")
        #expect(faster.job.cluster.intraNode.name == "nvlink4" && faster.job.cluster.gpusPerNode == 8)
        #expect(faster.warnings.contains { $0.contains("constants of h100-sxm-80gb stand for those of") })
        // the device itself, said by its numbers, is the device
        let same = try load("{gpu: {like: h100-sxm-80gb, name: h100-sxm-80gb}, gpus: 8}")
        #expect(same.job.cluster.accelerator.peaks == like.peaks)
        // two peaks leave the others as they are
        let two = try load("{gpu: {peak: {bf16: 500 TFLOP/s, fp8: 900 TFLOP/s}, like: h100-sxm-80gb}, gpus: 8}").job.cluster.accelerator
        #expect(two.peaks[.bf16] == 500e12 && two.peaks[.fp8] == 900e12 && two.peaks[.tf32] == like.peaks[.tf32])
        let alone = try load(
            "{gpu: {peak: 200 TFLOP/s, memory: 48 GB, bandwidth: 1 TB/s, name: novel}, gpus: 4, intra_node: {link: pcie5}}")
        #expect(alone.job.cluster.accelerator.name == "novel")
        #expect(alone.warnings.contains { $0.contains("of which nothing is known") })
    }

    @Test(arguments: [
        ("{gpu: {peak: 1 PFLOP/s}, gpus: 8}", "cluster.gpu.memory"), ("{gpu: {memory: 80 GB}, gpus: 8}", "cluster.gpu.peak"),
        ("{gpu: {like: h100-sxm-80g}, gpus: 8}", "cluster.gpu.like"),
        ("{gpu: {peaks: 1 PFLOP/s, like: h100-sxm-80gb}, gpus: 8}", "cluster.gpu.peaks"),
    ])
    func whatIsMissingIsNamed(cluster: String, key: String) throws {
        let errors = try #require(throws: ScenarioErrors.self) { try load(cluster) }
        #expect(errors.errors.contains { $0.keyPath == key }, "\(errors)")
    }

    /// A cluster that names nothing but its device, for every device.
    @Test func everyDeviceHasAUsualNode() throws {
        for name in try Catalogue.acceleratorNames() {
            #expect(try Catalogue.usualNode(for: name) != nil, "\(name)")
            // Older devices do not compute in bf16.
            let hasBrain = try Catalogue.accelerator(named: name).peaks[.bf16] != nil
            #expect(throws: Never.self) {
                try load("{gpu: \(name), nodes: 2}", precision: hasBrain ? "bf16" : "fp16")
            }
        }
        let node = try load("{gpu: rtx3090-24gb, gpus: 16}").job.cluster
        #expect(node.intraNode.name == "pcie4" && node.gpusPerNode == 8)
    }

    @Test func pricesOfOtherCurrencies() throws {
        let cluster = "{gpu: h100-sxm-80gb, gpus: 8}"
        let book = try load(
            cluster,
            "prices: {gpu_hour: 2.00 EUR/h, exchange: {EUR: 1.1}, electricity: 0.2 CHF/kWh}".replacing(
                "EUR: 1.1", with: "EUR: 1.1, CHF: 1.2")
        )
        .prices
        #expect(abs((book.gpuHour?.dollarsPerHour ?? 0) - 2.2) < 1e-12)
        #expect(abs((book.electricity?.dollarsPerKilowattHour ?? 0) - 0.24) < 1e-12)
        let errors = try #require(throws: ScenarioErrors.self) { try load(cluster, "prices: {gpu_hour: 2.00 EUR/h}") }
        #expect(errors.errors.first?.suggestion.contains("prices.exchange: {EUR: ") == true, "\(errors)")
    }

    @Test func reservedNeedsItsPrice() throws {
        let cluster = "{gpu: h100-sxm-80gb, gpus: 8}"
        let errors = try #require(throws: ScenarioErrors.self) { try load(cluster, "prices: {gpu_hour: 3 USD/h, purchase: reserved}") }
        let said = "\(errors)"
        #expect(said.contains("purchase is reserved, but there is no reserved price; write for instance reserved_gpu_hour"), "\(errors)")
        let book = try load(cluster, "prices: {gpu_hour: 3 USD/h, reserved_gpu_hour: 2 USD/h, purchase: reserved}").prices
        #expect(try book.hourly()?.dollarsPerHour == 2)
    }

    @Test func presetOfAnotherDevice() throws {
        let other = try load("{gpu: h100-sxm-80gb, gpus: 8}", "prices: {preset: a100-market}")
        #expect(other.warnings.contains { $0.contains("prices.preset is the price of a100-sxm-80gb, and the cluster has h100-sxm-80gb") })
        let own = try load("{gpu: a100-sxm-80gb, gpus: 8}", "prices: {preset: a100-market}")
        #expect(!own.warnings.contains { $0.contains("prices.preset") })
        for device in ["h200-sxm-141gb", "b200-sxm-180gb", "mi300x-192gb"] {
            #expect(try PriceBook.presets().contains { $0.gpu == device && $0.book.gpuHour != nil }, "\(device)")
        }
        for preset in try PriceBook.presets() where !preset.gpu.isEmpty {
            #expect(throws: Never.self) { try Catalogue.accelerator(named: preset.gpu) }
        }
    }
}
