import Foundation
import Kernels
import Testing

/// The CPU against plain code in double precision on the same operands. An error is the largest difference over the largest element of the
/// reference's result (at least 1e-3 of the operands' unit). A float has a relative rounding error of 6e-8; sums of 130 terms, differences of
/// near numbers in the backward passes and exponentials to 2 units in the last place leave the bounds stated.
@Suite struct BackendAgreementTests {
    let cpu: CPUBackend
    init() throws { cpu = try CPUBackend() }

    private func error(_ got: [[Double]], _ right: [[Double]]) -> Double {
        var worst = 0.0
        for (g, r) in zip(got, right) {
            let size = r.reduce(1e-3) { max($0, abs($1)) }
            for (a, b) in zip(g, r) { worst = max(worst, a == b ? 0 : abs(a - b) / size) }
        }
        return worst
    }

    private func bound(_ kernel: KernelName) -> Double {
        switch kernel {
        case .copy, .zeros, .gather, .channelsLast, .im2col, .relu, .reluBackward: 0
        case .add, .scale, .addBias, .scaleRows, .meanPool, .meanPoolBackward: 6e-8
        default: 2e-6
        }
    }

    @Test(arguments: KernelName.allCases) func agreesWithTheReference(_ kernel: KernelName) throws {
        for sizes in oddShapes(kernel) {
            let call = try KernelCall(kernel, sizes)
            var machine = OperationRunner(cpu, seed: 3)
            var reference = OperationRunner(ReferenceBackend(), seed: 3)
            let (got, right) = (machine.run(call), reference.run(call))
            #expect(got.map(\.count) == right.map(\.count))
            let error = error(got, right)
            #expect(error <= bound(kernel), "\(call), seed 3: error \(error)")
            var again = OperationRunner(cpu, seed: 3)
            #expect(again.run(call) == got, "\(call): two runs differ")
        }
    }

    /// One NaN in the first operand reaches the same outputs as in plain code.
    @Test(arguments: KernelName.allCases) func notANumberSpreads(_ kernel: KernelName) throws {
        guard kernel != .zeros else { return }
        // 0 x NaN is NaN, but plain attention skips keys of weight 0, and a sort of scores with a NaN is nobody's promise.
        for sizes in oddShapes(kernel) where sizes.count != 6 || sizes[5] == 0 && sizes[4] == 0 {
            let call = try KernelCall(kernel, sizes)
            var machine = OperationRunner(cpu, seed: 4)
            var reference = OperationRunner(ReferenceBackend(), seed: 4)
            let (got, right) = (machine.run(call, poison: true), reference.run(call, poison: true))
            // A parameter that is NaN may or may not spoil its moments as well: 0 x p stands for no decay.
            let compared = kernel == .adamW || kernel == .sgd ? 1 : got.count
            for (g, r) in zip(got, right).prefix(compared) {
                #expect(g.map(\.isNaN) == r.map(\.isNaN), "\(call), seed 4")
            }
            let wholeOperandMatters = !right.joined().isEmpty && !sizes.contains(0) && ![.gather].contains(kernel)
            // Windows may leave out the poisoned pixel, and a bias of no rows nothing to spread to.
            if wholeOperandMatters, sizes.count != 7 { #expect(got.joined().contains { $0.isNaN }, "\(call): the NaN is lost") }
        }
    }

    /// Row-major products by hand: [1 2; 3 4] [5 6; 7 8] = [19 22; 43 50]; stored transposed, each operand reads as its transpose.
    @Test func matrixProductsByHand() {
        let (a, b): ([Float], [Float]) = ([1, 2, 3, 4], [5, 6, 7, 8])
        func product(_ ta: Bool, _ tb: Bool) -> [Float] {
            var c = cpu.zeros(4)
            cpu.gemm(GEMM(m: 2, n: 2, k: 2, transposeA: ta, transposeB: tb), a, b, into: &c)
            return c
        }
        #expect(product(false, false) == [19, 22, 43, 50])
        #expect(product(false, true) == [17, 23, 39, 53])
        #expect(product(true, false) == [26, 30, 38, 44])
        #expect(product(true, true) == [23, 31, 34, 46])
        var c: [Float] = [1, 1, 1, 1]
        cpu.gemm(GEMM(m: 2, n: 2, k: 2).accumulating, a, b, into: &c)
        #expect(c == [20, 23, 44, 51])
    }

    /// The reference's own products against three loops.
    @Test func theReferenceMultiplies() {
        var source = OperationRunner<ReferenceBackend>.Source(seed: 9)
        let (m, n, k) = (5, 7, 11)
        let (a, b) = (source.numbers(m * k), source.numbers(k * n))
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            var c = [Double](repeating: 0, count: m * n)
            ReferenceBackend().gemm(GEMM(m: m, n: n, k: k, transposeA: ta, transposeB: tb), a, b, into: &c)
            for i in 0..<m {
                for j in 0..<n {
                    let sum = (0..<k).reduce(0) { $0 + a[ta ? $1 * m + i : i * k + $1] * b[tb ? j * k + $1 : $1 * n + j] }
                    #expect(abs(sum - c[i * n + j]) < 1e-14)
                }
            }
        }
    }

    /// One head of dimension 1, two positions, all queries and keys 0: the first sees v0, the second the mean of v0 = 2 and v1 = 4.
    @Test func attentionByHand() {
        let qkv: [Float] = [0, 0, 2, 0, 0, 4]
        let shape = AttentionShape(sequences: 1, heads: 1, length: 2, headDimension: 1)
        var y = cpu.zeros(2)
        var saved = cpu.zeros(shape.savedCount)
        cpu.attention(shape, qkv: qkv, into: &y, saved: &saved)
        #expect(y == [2, 3])
        #expect(saved[0] == 0 && abs(saved[1] - 0.6931472) < 1e-7)
        // dv0 = 1 + 1/2 of the gradients 1 and 1; dv1 = 1/2; keys are all 0, so queries get nothing; ds of the second: 1/2 (2 - 3), 1/2 (4 - 3).
        var dx = cpu.zeros(6)
        cpu.attentionBackward(AttentionPass(shape, qkv: qkv, output: y, saved: saved), [1, 1], into: &dx)
        #expect(dx == [0, 0, 1.5, 0, 0, 0.5])
    }

    /// The exponential over its whole range, through a softmax of two columns: 1 / (1 + exp(-x)).
    @Test func exponentialsOverTheWholeRange() {
        var worst = 0.0
        for i in -2000...2000 {
            let x = Float(i) * 0.05
            var y = cpu.zeros(2)
            cpu.softmax([0, x], columns: 2, into: &y)
            let right = 1 / (1 + exp(-Double(x)))
            if right > 1e-37 { worst = max(worst, abs(Double(y[1]) - right) / right) }
        }
        #expect(worst < 3e-7, "\(worst)")
        var y = cpu.zeros(3)
        cpu.softmax([-.infinity, 0, -1e30], columns: 3, into: &y)
        #expect(y == [0, 1, 0])
        cpu.activate(.gelu, [1e30, -1e30, 0], into: &y)
        #expect(y == [1e30, 0, 0] && !y.contains { $0.isNaN })
    }

    /// SiLU has an exponential of its own: x / (1 + exp(-x)) in double precision is the right answer, to 4e-7 of it; far below 0 it is 0 to
    /// 1e-36 (of minus infinity too), a NaN stays one. Lengths that are no multiple of a vector take the same path to the bit.
    @Test func siluOverTheWholeRange() {
        let x = (-1760...2000).map { Float($0) * 0.05 }
        var y = cpu.zeros(x.count)
        cpu.activate(.silu, x, into: &y)
        var worst = 0.0
        for (x, y) in zip(x, y) {
            let right = Double(x) / (1 + exp(-Double(x)))
            if abs(right) > 1e-37 { worst = max(worst, abs(Double(y) - right) / abs(right)) }
        }
        #expect(worst < 4e-7, "\(worst)")
        for count in [1, 7, 17, 33] {
            var part = cpu.zeros(count)
            cpu.activate(.silu, Array(x[100..<100 + count]), into: &part)
            #expect(part == Array(y[100..<100 + count]))
        }
        var edge = cpu.zeros(5)
        cpu.activate(.silu, [-1e38, -.infinity, 1e38, 0, .nan], into: &edge)
        #expect(abs(edge[0]) < 1e-35 && abs(edge[1]) < 1e-35 && edge[2] == 1e38 && edge[3] == 0 && edge[4].isNaN)
        var gradient: [Float] = [1, 1, 1, 1]
        cpu.activateBackward(.silu, x: [-1e38, 1e38, 0, -.infinity], gradient: &gradient)
        #expect(abs(gradient[0]) < 1e-35 && gradient[1] == 1 && gradient[2] == 0.5 && abs(gradient[3]) < 1e-35)
    }

    /// A sixteenth of the least normal number is subnormal: halved it stays one, and inside the closure it counts as zero.
    @Test func subnormalsCountAsZeroWhereAsked() {
        let tiny = Float.leastNormalMagnitude / 16
        var y: [Float] = [tiny, 1]
        CPUBackend.withoutSubnormals { cpu.scale(&y, by: 0.5) }
        #if arch(x86_64)
            #expect(y == [0, 0.5])
        #endif
        y = [tiny, 1]
        cpu.scale(&y, by: 0.5)
        #expect(y[0] > 0 && y[1] == 0.5)
    }

    @Test func replicasAgreeAfterAnAllReduce() {
        var replicas: [[Float]] = [[1, 2], [10, 20], [100, 200]]
        cpu.allReduce(&replicas, factor: 0.5)
        #expect(replicas == [[55.5, 111], [55.5, 111], [55.5, 111]])
    }

    @Test func theBackendSaysWhatItIs() throws {
        let text = cpu.description
        #expect(text.library.hasPrefix("OpenBLAS") && !text.libraryCore.isEmpty && text.threads == 1)
        #expect(CPUBackend.usableCores >= 1)
        #expect(!CPUBackend.pinCurrentThread(to: -1))
        #expect(throws: KernelError.self) { try CPUBackend(threads: 0) }
    }
}
