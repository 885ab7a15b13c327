import Foundation
import Kernels
import Testing
import Training

// The example of docs/backends.md, word for word.
func trainOnTheCPU(steps: Int) throws -> (losses: [Double], calls: [KernelCall]) {
    let cpu = try CPUBackend(threads: 1)
    print(cpu.description)  // processor, OpenBLAS and the code path that it chose, threads
    let model = try GPT(vocabulary: 32, length: 16, width: 32, heads: 4, layers: 2)
    let source = try MarkovSource(vocabulary: 32, sharpness: 1.5, seed: 1)
    var draws = SeededDraws(seed: 2)
    var parameters = model.initialParameters(seed: 1, on: cpu)
    var optimizer = Optimizer(Adam<Float>.adamW(), shapes: model.shapes)
    var losses: [Double] = []
    for _ in 0..<steps {
        let batch = source.batch(sequences: 8, length: 16, draws: &draws)
        let (loss, gradients) = try model.lossAndGradients(parameters, batch, on: cpu)
        try optimizer.step(&parameters, gradients: gradients, rate: 0.01)
        losses.append(loss)
    }
    // What a step consists of: every call with its sizes, FLOPs and bytes. A trial makes one of them with operands of its own.
    let calls = try model.kernelCalls(source.batch(sequences: 8, length: 16, draws: &draws))
    for call in calls.prefix(3) {
        var trial = KernelTrial(call, on: cpu)
        print(call, call.flops, call.bytes, ContinuousClock().measure { trial.run() })
    }
    return (losses, calls)
}

@Suite struct BackendExampleTests {
    @Test func theDocumentedExampleLearns() throws {
        let (losses, calls) = try trainOnTheCPU(steps: 30)
        #expect(losses.count == 30 && losses[29] < losses[0] - 0.3, "\(losses)")
        #expect(calls.contains { $0.kernel == .attentionBackward })
    }

    @Test func theDocumentHoldsThisCode() throws {
        let test = URL(fileURLWithPath: #filePath)
        let root = test.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let document = try String(contentsOf: root.appendingPathComponent("docs/backends.md"), encoding: .utf8)
        let shown = document.components(separatedBy: "```swift\n")[1].components(separatedBy: "```")[0]
        let parts = shown.components(separatedBy: "\n\n")
        let own = try String(contentsOf: test, encoding: .utf8)
        #expect(parts.count == 2 && own.contains(parts[1]))
    }
}
