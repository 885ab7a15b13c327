import Kernels
import Training

#if canImport(Glibc)
    import Glibc
#else
    import Foundation
#endif

// One thread; a line a kernel: name, best milliseconds. `compare_kernels.py` prints PyTorch's for the same shapes, in turn with ours.

@main struct KernelsBench {
    /// Time on the processor, not on the wall: other programs share this machine.
    static func processSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    static func best(_ runs: Int, _ body: () -> Void) -> Double {
        body()
        var least = Double.infinity
        for _ in 0..<runs {
            let start = processSeconds()
            body()
            least = min(least, processSeconds() - start)
        }
        return least
    }

    static func main() throws {
        let backend = try CPUBackend()
        print("# \(backend.description)")
        if let core = CPUBackend.suggestedCore { print("# OPENBLAS_CORETYPE=\(core) may be faster") }
        let calls: [(KernelName, [Int])] = [
            (.gemmNN, [512, 512, 512]), (.gemmNT, [512, 512, 512]), (.gemmTN, [512, 512, 512]), (.gemmTT, [512, 512, 512]),
            (.gemmNT, [2048, 1536, 512]), (.gemmNT, [64, 64, 64]),
            (.attention, [8, 8, 256, 64, 1, 0]), (.attentionBackward, [8, 8, 256, 64, 1, 0]),
            (.attention, [1, 8, 1024, 64, 1, 0]), (.attentionBackward, [1, 8, 1024, 64, 1, 0]),
            (.attention, [16, 4, 64, 32, 1, 0]), (.attentionBackward, [16, 4, 64, 32, 1, 0]),
            (.layerNorm, [2048, 512]), (.layerNormBackward, [2048, 512]), (.rmsNorm, [2048, 512]), (.rmsNormBackward, [2048, 512]),
            (.softmax, [2048, 512]), (.softmaxBackward, [2048, 512]), (.crossEntropy, [2048, 4096]),
            (.gelu, [1 << 20]), (.geluBackward, [1 << 20]), (.relu, [1 << 20]), (.silu, [1 << 20]), (.tanh, [1 << 20]),
            (.gather, [2048, 512, 4096]), (.scatterAdd, [2048, 512, 4096]), (.im2col, [16, 32, 32, 16, 3, 1, 1]),
            (.add, [1 << 20]), (.copy, [1 << 20]), (.adamW, [1 << 20]),
        ]
        for (kernel, sizes) in calls {
            var trial = KernelTrial(try KernelCall(kernel, sizes), on: backend)
            let runs = max(8, Int(3e8 / max(1e6, trial.call.flops + trial.call.bytes)))
            let time = best(runs) { trial.run() }
            print("\(kernel.rawValue) \(sizes.map(String.init).joined(separator: "x")) \(time * 1e3)")
        }
        try step(backend)
    }

    /// A transformer's step, and the sum of its kernels timed within the step.
    static func step(_ backend: CPUBackend) throws {
        let model = try GPT(vocabulary: 512, length: 128, width: 256, heads: 4, layers: 4)
        let source = try MarkovSource(vocabulary: 512, sharpness: 1, seed: 1)
        var draws = SeededDraws(seed: 2)
        let batch = source.batch(sequences: 8, length: 128, draws: &draws)
        let parameters = model.initialParameters(seed: 1, on: backend)
        let whole = best(5) { _ = try? model.lossAndGradients(parameters, batch, on: backend) }
        let recorder = RecordingBackend(backend, timed: true)
        // By the wall's clock, both in the same run of the step.
        var share = 0.0
        for _ in 0..<5 {
            let start = ContinuousClock.now
            _ = try model.lossAndGradients(parameters, batch, on: recorder)
            let wall = (ContinuousClock.now - start).components
            let sum = recorder.drain().reduce(0) { $0 + $1.seconds }
            share = max(share, sum / (Double(wall.seconds) + Double(wall.attoseconds) * 1e-18))
        }
        print("gpt_step 8x128x256x4 \(whole * 1e3)")
        print("# the step's kernels, timed one by one, are \(share) of the step")
    }
}
