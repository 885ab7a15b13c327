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
        var ratios: [[Double]] = []
        for bytes in [65_536.0, 16_777_216, 1_073_741_824] {
            let one = try seconds(.ring, bytes)
            let all = try seconds(.ring, bytes, channels: 8)
            let plain = try seconds(.hierarchical, bytes)
            let chunked = try min(plain, seconds(.hierarchical, bytes, chunks: 8))
            ratios.append([one / plain, all / plain, all / chunked])
            print("C20 \(bytes) B: ring \(one * 1e6) us, 8 rings \(all * 1e6) us, hierarchical \(plain * 1e6) us, 8 chunks \(chunked * 1e6) us")
        }
        print("C20 ratios", ratios)
    }

    /// C18: "2.5D tensor parallelism cuts the volume by 40 %" against 1D. Bytes a GPU sends, forward and backward, one block.
    @Test func tensorParallelVolumeByLayoutAndCount() throws {
        for (tokens, hidden) in [(8192, 8192), (65536, 8192)] {
            for ranks in [4, 8, 16, 32, 64] {
                let report = try TensorParallelReport(TransformerBlock(tokens: tokens, hidden: hidden), ranks: ranks, on: nil)
                print("C18 tokens \(tokens) ranks \(ranks):", report.rows.map { "\($0.layout) \(($0.against_1d * 1000).rounded() / 10) %" })
            }
        }
        let report = try TensorParallelReport(
            TransformerBlock(tokens: 8192, hidden: 8192), ranks: 64, on: try network("c18-tensor-parallel.yaml"))
        print(report.table)
    }
}
