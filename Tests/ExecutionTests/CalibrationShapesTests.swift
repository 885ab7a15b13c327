import Calibration
import Kernels
import Testing

@testable import Execution

struct CalibrationShapesTests {
    @Test func everyBeginningIsSpreadOverTheWhole() {
        // 8 places: the ends, then the middle, the quarters, and what is left.
        let order = CalibrationShapes.coarseToFine(8)
        #expect(order.sorted() == Array(0..<8))
        #expect(Array(order.prefix(5)) == [0, 7, 4, 2, 6])
        for count in [0, 1, 2, 3, 100, 513] { #expect(CalibrationShapes.coarseToFine(count).sorted() == Array(0..<count)) }
    }

    @Test func planHoldsEachCallOnceAndEveryKernelEarly() {
        let calls = CalibrationShapes.standard.calls
        #expect(Set(calls).count == calls.count)
        #expect(Set(calls.map(\.kernel)) == Set(KernelName.allCases))
        // Whatever ends the calibration at half leaves no kernel without the 8 shapes that a fit with its errors needs.
        for kernel in KernelName.allCases where kernel != .gemmTT {
            let count = calls.prefix(calls.count / 2).count { $0.kernel == kernel }
            #expect(count >= 8, "\(kernel)")
        }
        #expect(calls.allSatisfy { CalibrationShapes.expectedSeconds($0) < 0.25 })
        // Products of a GPT's forward pass come from the models: 256 tokens by 3 x 64 outputs over width 64.
        #expect(calls.contains { $0.kernel == .gemmNT && $0.sizes == [256, 192, 64] })
    }

    @Test func namesInFilesAreReadBack() throws {
        // y = x w^T is TN in BLAS's words; a weight gradient dy^T x is NT.
        let forward = Measurement.Key(try KernelCall(.gemmNT, [512, 256, 64]), .rotated, device: "d")
        #expect(forward.layout == .tn && forward.variant == "" && forward.shape == .product(m: 512, n: 256, k: 64, count: 1))
        #expect(Measurement.Key(try KernelCall(.gemmTN, [64, 32, 16]), .warm, device: "d").layout == .nt)
        // Up to 100^3 multiplications OpenBLAS copies no operands.
        #expect(Measurement.Key(try KernelCall(.gemmNN, [100, 100, 100]), .warm, device: "d").variant == "small warm")
        // Of x w^T only results of up to 1,200 elements with a depth of at least 32.
        #expect(Measurement.Key(try KernelCall(.gemmNT, [100, 100, 100]), .warm, device: "d").variant == "warm")
        #expect(Measurement.Key(try KernelCall(.gemmNT, [30, 40, 32]), .warm, device: "d").variant == "small warm")
        #expect(Measurement.Key(try KernelCall(.gemmNT, [30, 40, 31]), .warm, device: "d").variant == "warm")
        // Rows of a table of 1,024; an image 16 wide.
        #expect(
            Measurement.Key(try KernelCall(.gather, [64, 32, 1024]), .rotated, device: "d").shape.text == "bytes=16384 row=32 extent=1024")
        #expect(
            Measurement.Key(try KernelCall(.meanPool, [2, 8, 16, 3]), .rotated, device: "d").shape.text == "bytes=3840 row=3 extent=16")
        let backward = Measurement.Key(try KernelCall(.geluBackward, [100]), .warm, device: "d")
        #expect(backward.variant == "gelu warm" && backward.pass == .inputGradient)
        // Every call of the plan survives the file's words.
        for call in CalibrationShapes.standard.calls {
            for residency in Residency.allCases {
                let key = Measurement.Key(call, residency, device: "some-cpu")
                #expect(try KernelShape(parsing: key.shape.text, family: key.kernel.family) == key.shape, "\(call)")
                #expect(key.variant.hasSuffix(residency.rawValue))
            }
        }
    }

    @Test func processorNamesBecomeDeviceNames() {
        #expect(Machine.slug("AMD EPYC 9B14 96-Core Processor") == "amd-epyc-9b14-96")
        #expect(Machine.slug("Intel(R) Xeon(R) CPU E5-2670 v3 @ 2.30GHz") == "intel-xeon-e5-2670-v3")
        #expect(Machine.slug("") == "unknown-cpu")
    }
}
