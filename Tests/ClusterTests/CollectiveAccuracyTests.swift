import Quantities
import Testing

@testable import Cluster

/// Against published measurements. The bounds stand a little above what the closed form reaches.
@Suite struct CollectiveAccuracyTests {
    @Test(.enabled(if: SharedTables.exists(SharedTables.multinode), "needs ../shared/kernels/nccl_tests_tables/all_reduce_multinode.csv"))
    func allReduceBetweenNodes() throws {
        var tables: [String: ErrorSummary] = [:]
        var h100 = ErrorSummary()
        for row in try SharedTables.rows(SharedTables.multinode) {
            guard let name = row["name"], let size = row["size_B"].flatMap(Double.init), let gpus = row["gpus"].flatMap(Int.init),
                size >= 1024,
                let first = row["oop_us"].flatMap(Double.init)
            else { continue }
            // Out of place or in place, whichever was not disturbed by first use.
            let measured = min(first, row["ip_us"].flatMap(Double.init) ?? first) * 1e-6
            let (hardware, perNode, network) =
                name.contains("gb200")
                ? ("gb200-186gb", 4, "nvl72+ib-ndr-400g-x4")
                : name.contains("a100")
                    ? ("a100-sxm-40gb", 8, "roce-200g-x8") : ("h100-sxm-80gb", 8, name.contains("1024") ? "roce-400g-x8" : "ib-ndr-400g-x8")
            let spec = try ClusterSpec.measured(hardware: hardware, gpus: gpus, gpusPerNode: perNode, interNode: network).spec
            let predicted = CollectiveModel(cluster: spec).seconds(
                .allReduce, bytes: size, group: GroupShape(ranks: gpus, perDomain: spec.domain),
                algorithm: name.contains("ring") ? .ring : .fastest)
            tables[name, default: ErrorSummary()].add(predicted: predicted, measured: measured)
            if name.contains("h100") { h100.add(predicted: predicted, measured: measured) }
        }
        for name in tables.keys.sorted() { print("all-reduce \(name): \(tables[name]?.text ?? "")") }
        print("all-reduce between nodes, H100, 16 to 1,024 GPUs: \(h100.text)")
        #expect(h100.errors.count > 100)
        #expect(h100.quantile(0.5) < 0.075)
        #expect(h100.quantile(0.9) < 0.22)
    }

    @Test(.enabled(if: SharedTables.exists(SharedTables.collectives), "needs ../shared/kernels/collectives_and_ep.csv"))
    func allReduceInsideANode() throws {
        var tables: [String: ErrorSummary] = [:]
        for row in try SharedTables.rows(SharedTables.collectives) {
            guard row["nodes"] == "1", let hardware = row["hardware"], let op = row["collective"], row["algo"]?.hasPrefix("Ring (") != true,
                let gpus = row["gpus"].flatMap(Int.init), let bus = row["busbw_GBps"].flatMap(Double.init),
                let size = row["payload"].flatMap(Self.bytes)
            else { continue }
            let device = hardware.contains("H200") ? "h200-sxm-141gb" : hardware.contains("B200") ? "b200-sxm-180gb" : "a100-sxm-80gb"
            let kind: CollectiveOp = op == "all_gather" ? .allGather : op == "reduce_scatter" ? .reduceScatter : .allReduce
            if row["algo"] == "Ring", kind == .allReduce, gpus == 8 { continue }
            let spec = try ClusterSpec.measured(hardware: device, gpus: gpus, gpusPerNode: gpus, interNode: "none").spec
            let predicted = CollectiveModel(cluster: spec).seconds(kind, bytes: size, group: GroupShape(ranks: gpus, perDomain: gpus))
            let measured = kind.busFactor(ranks: Double(gpus)) * size / (bus * 1e9)
            tables[device + (size >= 1_048_576 ? " from 1 MiB" : " below 1 MiB"), default: ErrorSummary()]
                .add(predicted: predicted, measured: measured)
        }
        for name in tables.keys.sorted() { print("inside a node, \(name): \(tables[name]?.text ?? "")") }
        for device in ["h200-sxm-141gb", "b200-sxm-180gb", "a100-sxm-80gb"] {
            let large = try #require(tables["\(device) from 1 MiB"])
            #expect(large.quantile(0.5) < 0.15, "\(device)")
        }
    }

    /// The committed constants are those of the fits, whatever the device's other tables say.
    @Test(.enabled(if: SharedTables.exists(SharedTables.constants), "needs ../shared/kernels/collective_constants.csv"))
    func constantsAreThoseOfTheFits() throws {
        let devices = [
            "a100_sxm/nccl2.27.3": "a100-sxm-80gb", "h100_sxm/nccl2.29.2": "h100-sxm-80gb", "h200_sxm/nccl2.29.2": "h200-sxm-141gb",
            "b200_sxm/nccl2.29.2": "b200-sxm-180gb", "gb200/nccl2.29.2": "gb200-186gb",
        ]
        let ops = ["all_reduce": CollectiveOp.allReduce, "all_gather": .allGather, "reduce_scatter": .reduceScatter, "alltoall": .allToAll]
        var checked = 0
        for row in try SharedTables.rows(SharedTables.constants) {
            guard let device = row["tag"].flatMap({ devices[$0] }), let op = row["op"].flatMap({ ops[$0] }),
                let n = row["n"].flatMap(Int.init),
                let alpha = row["alpha_us"].flatMap(Double.init), let bus = row["inv_bw_busbw_GBs"].flatMap(Double.init),
                let root = row["c_us_per_sqrtMB"].flatMap(Double.init)
            else { continue }
            let spec = try ClusterSpec.measured(hardware: device, gpus: 8, gpusPerNode: 8, interNode: "none").spec
            let t = CollectiveModel(cluster: spec).seconds(op, bytes: 16e6, group: GroupShape(ranks: n, perDomain: n))
            let fit = (alpha + op.busFactor(ranks: Double(n)) * 16e6 / (bus * 1e3) + root * 4) * 1e-6
            #expect(abs(t / fit - 1) < 0.002, "\(device) \(op) \(n)")
            checked += 1
        }
        #expect(checked == 56)
    }

    static func bytes(_ text: String) -> Double? {
        let factors: [(String, Double)] = [("KiB", 1024), ("MiB", 1_048_576), ("GiB", 1_073_741_824), (" B", 1)]
        for (unit, factor) in factors where text.hasSuffix(unit) { return Double(text.dropLast(unit.count)).map { $0 * factor } }
        return nil
    }
}
