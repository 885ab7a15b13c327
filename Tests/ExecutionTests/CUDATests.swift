import Calibration
import Foundation
import Kernels
import Testing

@testable import Execution

@Suite(.enabled(if: StubPlugin.isPossible, "needs a C compiler (cc): the plug-ins of these tests are compiled by it"))
struct CUDAPluginTests {
    @Test func structuresArriveAsTheHeaderHasThem() throws {
        let plugin = try CUDAPlugin(path: StubPlugin.compiled(StubPlugin.answering))
        let devices = try plugin.devices()
        let device = try #require(devices.first)
        #expect(device.name == "Stub H100 80GB HBM3" && device.units == 132 && device.capability == (9, 0) && device.memoryBytes == 8e10)
        #expect(device.libraries == "CUDA 0.1, cuBLAS 0.2.3")
        // 2 x 128 x 256 x 512 x 3 FLOP at 1 TFLOP/s and a microsecond.
        var rule = CUDARule()
        rule.least = 17
        let timing = try plugin.time(CUDACall(.gemm, [128, 256, 512, 3], format: .bf16), rule)
        #expect(abs(timing.median - (1e-6 + 2.0 * 128 * 256 * 512 * 3 / 1e12)) < 1e-15)
        #expect(timing.repeats == 17 && timing.clockHz == 1.98e9 && timing.temperatureC == nil)
        try plugin.checkMemory()
    }

    @Test func refusalsKeepTheirKindAndReason() throws {
        let plugin = try CUDAPlugin(path: StubPlugin.compiled(StubPlugin.answering, strict: true))
        #expect(throws: CUDAError.unsupported("gemm e4m3 tn 8x8x8x1: no fp8 here")) {
            try plugin.time(CUDACall(.gemm, [8, 8, 8, 1], format: .e4m3))
        }
        #expect(throws: CUDAError.failed("gather bf16 8x8x8: an illegal address")) {
            try plugin.time(CUDACall(.gather, [8, 8, 8], format: .bf16))
        }
        #expect(throws: KernelError.self) { try CUDACall(.gemm, [8, 8, 8], format: .bf16) }
        #expect(throws: KernelError.self) { try CUDACall(.copy, [-1], format: .fp32) }
    }

    @Test func wrongLibrariesAreNamed() throws {
        let missing = #expect(throws: CUDAError.self) { try CUDAPlugin(path: "/nowhere/liborrery_cuda.so") }
        #expect(missing?.description.contains("/nowhere/liborrery_cuda.so") == true && missing?.description.contains("make cuda") == true)
        let other = #expect(throws: CUDAError.self) { try CUDAPlugin(path: StubPlugin.compiled("int orrery_cuda_abi(void) { return 1; }")) }
        #expect(other?.description.contains("has no orrery_cuda_error") == true)
        let older = #expect(throws: CUDAError.self) { try CUDAPlugin(path: StubPlugin.compiled(StubPlugin.older)) }
        #expect(older?.description.contains("version 0, this program needs 1") == true)
        let none = try CUDAPlugin(path: StubPlugin.compiled(StubPlugin.deviceless))
        #expect(throws: CUDAError.noDevice("no GPU: no driver")) { try none.devices() }
        let forgetful = try CUDAPlugin(path: StubPlugin.compiled(StubPlugin.forgetful))
        #expect(throws: CUDAError.failed("GPU 0 returns other bytes than it was given")) { try forgetful.checkMemory() }
    }

    @Test func aCalibrationResumesAndLeavesOutWhatIsUnsupported() throws {
        let plugin = try CUDAPlugin(path: StubPlugin.compiled(StubPlugin.answering))
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).csv").path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        var settings = CUDACalibration.Settings(output: path)
        settings.name = "stub"
        let first = try CUDACalibration(plugin, settings).run { _ in }
        let refused = CUDAShapes.plan().count { $0.call.format == .e4m3 }
        #expect(first.unsupported == refused && first.written == CUDAShapes.plan().count - refused && first.left == 0)
        // The file is there: an error without --resume; with it only what was refused is tried again.
        #expect(throws: MeasurementFault.self) { try CUDACalibration(plugin, settings).run { _ in } }
        settings.resumes = true
        let second = try CUDACalibration(plugin, settings).run { _ in }
        #expect(second.written == 0 && second.found == first.written && second.unsupported == refused)
        // Killed after 1,000 rows, in the middle of one: all but those are made again.
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        try (lines[...1000].joined(separator: "\n") + "\ngemm,,forw").write(toFile: path, atomically: true, encoding: .utf8)
        let third = try CUDACalibration(plugin, settings).run { _ in }
        #expect(third.found == 1000 && third.found + third.written == first.written)
    }

    @Test func aFaultOfTheGPUKeepsWhatWasMeasured() throws {
        let plugin = try CUDAPlugin(path: StubPlugin.compiled(StubPlugin.answering, strict: true))
        let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).csv").path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let calibration = try CUDACalibration(plugin, CUDACalibration.Settings(output: path))
        // HBM3 of 80 GB is the SXM card's memory.
        #expect(calibration.device == "h100-sxm-80gb")
        #expect(throws: CUDAError.self) { try calibration.run { _ in } }
        #expect(try MeasurementFile.read(path: path).measurements.count > 1000)
    }
}

struct CUDAShapesTests {
    @Test func aThousandProductsOfEachLowFormatInTheOrderOfWorth() {
        let plan = CUDAShapes.plan()
        for format in [CUDACall.Format.e4m3, .bf16, .fp16] {
            #expect(plan.count { $0.call.kind == .gemm && $0.call.format == format && $0.call.beside == 0 } >= 1000, "\(format)")
        }
        let firsts = [
            plan.firstIndex { $0.call.kind == .gemm && $0.call.format == .e4m3 }, plan.firstIndex { $0.call.kind == .quantise },
            plan.firstIndex { $0.call.kind == .gemm && $0.call.format == .bf16 }, plan.firstIndex { $0.call.kind == .attention },
            plan.firstIndex { $0.call.kind == .rmsNorm }, plan.firstIndex { $0.call.beside > 0 },
            plan.firstIndex { $0.call.kind == .gemm && $0.call.sizes[3] > 1 }, plan.firstIndex { $0.call.kind == .adamW },
        ].compactMap { $0 }
        #expect(firsts.count == 8 && firsts == firsts.sorted())
        // Every kind is there, and what repeats a call is one of the ten long ones.
        #expect(Set(plan.map(\.call.kind)) == Set(CUDACall.Kind.allCases))
        #expect(plan.count - Set(plan.map(\.call)).count <= 10)
        #expect(plan.count { $0.rule.least == 1000 } == 10)
    }

    @Test func namesInFilesAreReadBack() throws {
        for item in CUDAShapes.plan() {
            let key = Measurement.Key(item.call, device: "h100-sxm-80gb")
            #expect(try KernelShape(parsing: key.shape.text, family: key.kernel.family) == key.shape, "\(item.call)")
        }
    }
}
