import Foundation
import Kernels
import Testing

@Suite struct KernelCallTests {
    /// 2 x 3 x 4 = 24 multiply-adds; 4 bytes of 2 x 4 + 4 x 3 + 2 x 3 elements.
    @Test func matrixProductByHand() throws {
        let call = try KernelCall(.gemmNT, [2, 3, 4])
        #expect(call.flops == 48 && call.bytes == 104)
        #expect(call.description == "gemm_nt(m=2 n=3 k=4)")
    }

    /// 2 sequences of 3 heads, 4 positions: 10 visible pairs; two products of 2 x 5 FLOPs a pair.
    @Test func attentionByHand() throws {
        #expect(try KernelCall(.attention, [2, 3, 4, 5, 1, 0]).flops == 2 * 3 * 10 * 20)
        #expect(try KernelCall(.attention, [2, 3, 4, 5, 0, 0]).flops == 2 * 3 * 16 * 20)
        #expect(try KernelCall(.adamW, [10]).bytes == 280)
    }

    @Test func badCallsAreRefused() {
        let cases: [(KernelName, [Int], String)] = [
            (.gemmNN, [1, 2], "m, n, k"), (.gelu, [-1], "count is -1"), (.attention, [1, 1, 1, 1, 2, 0], "causal is 2"),
            (.attention, [1, 1, 1, 0, 1, 0], "headDimension"), (.meanPool, [1, 3, 4, 1], "even"),
            (.im2col, [1, 4, 4, 1, 0, 1, 1], "window"), (.gather, [2, 3, 0], "empty table"), (.crossEntropy, [2, 0], "without a class"),
            (.gemmNN, [1 << 30, 1 << 30, 1 << 30], "2^40"), (.copy, [Int.max], "2^31"),
        ]
        for (kernel, sizes, words) in cases {
            do {
                _ = try KernelCall(kernel, sizes)
                Issue.record("\(kernel) of \(sizes) is accepted")
            } catch { #expect(error.message.contains(words), "\(error)") }
        }
        #expect(throws: (any Error).self) { try JSONDecoder().decode(KernelCall.self, from: Data(#"{"kernel":"gelu","sizes":[]}"#.utf8)) }
    }

    @Test func callsSurviveJSON() throws {
        let call = try KernelCall(.im2col, [1, 4, 4, 2, 3, 1, 1])
        #expect(try JSONDecoder().decode(KernelCall.self, from: JSONEncoder().encode(call)) == call)
    }

    /// Every kernel on every odd shape can be tried on both backends, and a recording lists exactly the call.
    @Test func trialsMakeTheCallTheyName() throws {
        let recorder = RecordingBackend(try CPUBackend(), timed: true)
        for kernel in KernelName.allCases {
            for sizes in oddShapes(kernel) {
                let call = try KernelCall(kernel, sizes)
                var trial = KernelTrial(call, on: recorder, seed: 2)
                _ = recorder.drain()
                trial.run()
                trial.run()
                let calls = recorder.drain()
                #expect(calls.count == 2 && calls.allSatisfy { $0.seconds >= 0 && $0.call.kernel == kernel })
                // With an empty operand, a size that nothing depends on need not be found again.
                if !sizes.contains(0) || kernel.sizeNames.count >= 6 { #expect(calls[0].call == call) }
            }
        }
    }

    /// A copy takes the same memory, whatever lies between its operands, and runs; gather of 3 rows of 4 from a table of 5: 20 + 12 floats and
    /// the two unused operands' none, with 3 sets of indices of 3 numbers: 4 x 32 + 8 x 9 = 200 bytes.
    @Test func copiesAndIndexSets() throws {
        let cpu = try CPUBackend()
        let table = KernelTrial(try KernelCall(.gather, [3, 4, 5]), on: cpu, indexSets: 3)
        #expect(table.bytes == 200)
        for kernel in KernelName.allCases {
            guard let sizes = oddShapes(kernel).last else { continue }
            let trial = KernelTrial(try KernelCall(kernel, sizes), on: cpu)
            var gaps = 0
            var copy = trial.copy {
                gaps += 1
                return 48 * gaps
            }
            copy.run()
            #expect(copy.bytes == trial.bytes && copy.call == trial.call, "\(kernel)")
        }
    }

    @Test func theGridHoldsEveryKernelOnce() {
        let grid = KernelGrid.training(mostBytes: 0x1p26)
        #expect(Set(grid.map(\.kernel)) == Set(KernelName.allCases))
        #expect(Set(grid).count == grid.count)
        #expect(grid.allSatisfy { $0.bytes <= 0x1p26 })
        #expect(grid == KernelGrid.training(mostBytes: 0x1p26))
    }
}
