import Foundation
import Quantities
import Testing

@testable import Cluster

/// What `orrery collective` prints, against measurements.
@Suite struct CollectiveTableTests {
    private func network(_ hardware: String, gpus: Int, perNode: Int = 8, _ link: String = "none") throws -> Network {
        try Network(cluster: try ClusterSpec.measured(hardware: hardware, gpus: gpus, gpusPerNode: perNode, interNode: link).spec)
    }
    private func seconds(
        _ op: CollectiveOp, _ bytes: Double, ranks: Int, on network: Network, _ selection: CollectiveReport.Selection = .library
    ) throws -> Double {
        let size = Bytes(Int64(bytes))
        let report = try CollectiveReport(
            op, ranks: ranks, sizes: (.init(from: size, to: size), .init()), on: network, selection: selection)
        return try #require(report.rows.first).microseconds * 1e-6
    }

    /// No size takes longer than a larger one: 8 B to 8 GB, every operation, several clusters and networks.
    @Test(arguments: CollectiveOp.allCases)
    func timesGrowWithSize(op: CollectiveOp) throws {
        let star = Network(
            shape: StarShape(hosts: 8, link: LinkProperties(bandwidth: 450e9, latency: 1e-6), duplex: .full, hub: "NVSwitch"))
        let networks = [
            (try network("a100-sxm-40gb", gpus: 16, "ib-hdr-200g-x4"), 16), (try network("a100-sxm-80gb", gpus: 8), 8),
            (try network("h100-sxm-80gb", gpus: 64, "ib-ndr-400g-x8"), 64),
            (try network("gb200-186gb", gpus: 72, perNode: 4, "nvl72+ib-ndr-400g-x4"), 72),
            (try network("rtx4090-24gb", gpus: 4, perNode: 4), 4), (try network("mi300x-192gb", gpus: 8), 8), (star, 8),
        ]
        for (network, ranks) in networks where op != .sendReceive || ranks > 1 {
            let sizes = CollectiveReport.Sizes(from: Bytes(8), to: Bytes(8 << 30), factor: 2)
            let rows = try CollectiveReport(op, ranks: ranks, sizes: (sizes, .init()), on: network, selection: .library).rows
            for (smaller, larger) in zip(rows, rows.dropFirst()) {
                #expect(
                    smaller.microseconds <= larger.microseconds * (1 + 1e-9),
                    "\(op) on \(ranks): \(smaller.size) B \(smaller.microseconds) us, \(larger.size) B \(larger.microseconds) us")
            }
        }
    }

    /// ABCI, 16 A100 of 2 nodes with 4 HDR ports (NCCL 2.8); 8 A100 at 10 GB (Oracle, nccl-tests 2.17, 233 GB/s of bus rate).
    @Test func singlePublishedFigures() throws {
        let abci = try network("a100-sxm-40gb", gpus: 16, "ib-hdr-200g-x4")
        for (bytes, measured) in [(8.0, 22.5e-6), (32_768, 45.6e-6), (131_072, 63.2e-6), (524_288, 118.5e-6)] {
            let error = try seconds(.allReduce, bytes, ranks: 16, on: abci) / measured - 1
            #expect(abs(error) < 0.3, "\(bytes) B: \(error)")
        }
        let node = try network("a100-sxm-40gb", gpus: 8)
        let bus = 1.75 * 10e9 / (try seconds(.allReduce, 10e9, ranks: 8, on: node))
        #expect(abs(bus / 233e9 - 1) < 0.05, "\(bus)")
        // RCCL on Azure ND MI300X v5 (Azure AI-benchmarking-guide): bus rates in GB/s; seven links, of which one joins two GPUs
        let amd = try network("mi300x-192gb", gpus: 8)
        for (bytes, bus) in [(8_388_608.0, 131.57e9), (134_217_728, 290.81e9), (1_073_741_824, 313.92e9), (8_589_934_592, 316.82e9)] {
            let found = 1.75 * bytes / (try seconds(.allReduce, bytes, ranks: 8, on: amd))
            #expect(abs(found / bus - 1) < 0.06, "\(bytes) B: \(found)")
        }
        #expect(8e9 / (try seconds(.allReduce, 8e9, ranks: 2, on: amd)) < 50e9)
    }

    @Test(.enabled(if: SharedTables.exists(SharedTables.multinode), "needs ../shared/kernels/nccl_tests_tables/all_reduce_multinode.csv"))
    func allReduceBetweenNodes() throws {
        var summary = ErrorSummary()
        for row in try SharedTables.rows(SharedTables.multinode) {
            guard let name = row["name"], let size = row["size_B"].flatMap(Double.init), let gpus = row["gpus"].flatMap(Int.init),
                let first = row["oop_us"].flatMap(Double.init)
            else { continue }
            let measured = min(first, row["ip_us"].flatMap(Double.init) ?? first) * 1e-6
            let (hardware, perNode, link) =
                name.contains("gb200")
                ? ("gb200-186gb", 4, "nvl72+ib-ndr-400g-x4")
                : name.contains("a100")
                    ? ("a100-sxm-40gb", 8, "roce-200g-x8") : ("h100-sxm-80gb", 8, name.contains("1024") ? "roce-400g-x8" : "ib-ndr-400g-x8")
            let network = try network(hardware, gpus: gpus, perNode: perNode, link)
            let predicted = try seconds(.allReduce, size, ranks: gpus, on: network, name.contains("ring") ? .way(.ring) : .library)
            summary.add(predicted: predicted, measured: measured)
        }
        print("collective, all-reduce between nodes: \(summary.text)")
        #expect(summary.errors.count > 150)
        #expect(summary.quantile(0.5) < 0.1 && summary.quantile(0.9) < 0.3)
    }

    @Test(.enabled(if: SharedTables.exists(SharedTables.collectives), "needs ../shared/kernels/collectives_and_ep.csv"))
    func collectivesInsideANode() throws {
        var large = ErrorSummary()
        for row in try SharedTables.rows(SharedTables.collectives) {
            guard row["nodes"] == "1", let hardware = row["hardware"], let op = row["collective"], let gpus = row["gpus"].flatMap(Int.init),
                let bus = row["busbw_GBps"].flatMap(Double.init), let size = row["payload"].flatMap(CollectiveAccuracyTests.bytes),
                size >= 1_048_576
            else { continue }
            let device = hardware.contains("H200") ? "h200-sxm-141gb" : hardware.contains("B200") ? "b200-sxm-180gb" : "a100-sxm-80gb"
            let kind: CollectiveOp = op == "all_gather" ? .allGather : op == "reduce_scatter" ? .reduceScatter : .allReduce
            let selection: CollectiveReport.Selection =
                row["algo"]?.hasPrefix("Ring") == true && kind == .allReduce ? .way(.ring) : .library
            let predicted = try seconds(kind, size, ranks: gpus, on: try network(device, gpus: gpus, perNode: gpus), selection)
            large.add(predicted: predicted, measured: kind.busFactor(ranks: Double(gpus)) * size / (bus * 1e9))
        }
        print("collective, inside a node from 1 MiB: \(large.text)")
        #expect(large.quantile(0.5) < 0.1 && large.quantile(0.9) < 0.3)
    }
}
