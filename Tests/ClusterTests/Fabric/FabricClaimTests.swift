import Foundation
import Testing

@testable import Cluster

/// Claims that others made, computed again from the files in scenarios/claims, whose headers state these answers.
@Suite struct FabricClaimTests {
    private func network(_ name: String) throws -> Network {
        let here = URL(filePath: #filePath).resolvingSymlinksInPath()
        let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let file = root.appending(path: "scenarios/claims/\(name)")
        return try FabricFile.network(yaml: try String(contentsOf: file, encoding: .utf8), file: name)
    }

    /// C20: "hierarchical communication makes synchronisation 3x more efficient" than the flat ring, NVLink inside and RoCE between nodes.
    @Test func hierarchicalAgainstFlatRing() throws {
        let network = try network("c20-hierarchical-all-reduce.yaml")
        func seconds(_ way: CollectiveWay, _ bytes: Double, chunks: Int? = nil, channels: Int = 1) throws -> Double {
            let form = PatternForm(group: 8, chunks: chunks, channels: channels)
            let pattern = try CommunicationPattern.collective(.allReduce, by: way, ranks: 64, bytes: bytes, form: form)
            return try network.time(pattern, on: Array(0..<64)).seconds
        }
        // [sizes] one ring over hierarchical, a ring a port over hierarchical, a ring a port over the hierarchy in 8 chunks
        let answers: [(bytes: Double, ratios: [Double])] = [
            (65_536, [8.97, 8.95, 8.95]), (16_777_216, [6.36, 3.77, 3.77]), (1_073_741_824, [4.80, 0.67, 1.04]),
        ]
        for (bytes, expected) in answers {
            let plain = try seconds(.hierarchical, bytes)
            let chunked = try min(plain, seconds(.hierarchical, bytes, chunks: 8))
            let all = try seconds(.ring, bytes, channels: 8)
            let ratios = [try seconds(.ring, bytes) / plain, all / plain, all / chunked]
            for (found, wanted) in zip(ratios, expected) { #expect(abs(found / wanted - 1) < 0.01, "\(bytes) B: \(ratios)") }
        }
        // one ring by hand, 1 GiB: 126 steps of 16 MiB at 50 GB/s and 6 us (two half NVLink hops to the port's GPU where it is another, two port hops)
        #expect(abs(try seconds(.ring, 1_073_741_824) / (126 * (16_777_216 / 50e9 + 6e-6)) - 1) < 0.01)
    }

    /// C18: "2.5D tensor parallelism cuts the volume by 40 %" against 1D. Bytes a GPU sends, forward and backward, one block.
    @Test func tensorParallelVolumeByLayoutAndCount() throws {
        // [GPU counts] layout and percent of what 1D sends, for 8,192 and 65,536 tokens with hidden size 8,192
        let answers: [(ranks: Int, layout: String, percent: [Double])] = [
            (4, "2d", [237.5, 106.3]), (8, "2.5d depth 2", [208.9, 58.9]), (16, "2d", [142.5, 63.8]), (32, "2.5d depth 2", [122.2, 37.5]),
            (64, "2d", [79.2, 35.4]), (64, "2.5d depth 4", [112.5, 25.0]),
        ]
        for (ranks, layout, percent) in answers {
            for (tokens, wanted) in zip([8192, 65536], percent) {
                let report = try TensorParallelReport(TransformerBlock(tokens: tokens, hidden: 8192), ranks: ranks, on: nil)
                let row = try #require(report.rows.first { $0.layout == layout })
                #expect(abs(100 * row.against_1d - wanted) < 0.06, "\(ranks) \(layout) \(tokens): \(100 * row.against_1d)")
            }
        }
        let report = try TensorParallelReport(
            TransformerBlock(tokens: 65536, hidden: 8192), ranks: 64, on: try network("c18-tensor-parallel.yaml"))
        print(report.table)
        // a quarter of the bytes is no quarter of the time: broadcasts go along lines, one after the other
        let times = report.rows.map(\.microseconds)
        #expect(times.count == 3 && times.allSatisfy { $0 > 0 })
    }
}
