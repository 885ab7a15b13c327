import COrreryCUDA
import Glibc

/// Why something could not be done on a GPU.
public enum CUDAError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The plug-in is missing, of another version, or cannot be loaded.
    case noPlugin(String)
    /// The system has no GPU, or no driver for it.
    case noDevice(String)
    /// The device or a library refused.
    case failed(String)
    /// This device or library version cannot do the call at all.
    case unsupported(String)
    /// The operands do not fit into the device's memory.
    case memory(String)

    public var description: String {
        switch self {
        case .noPlugin(let text), .noDevice(let text), .failed(let text), .unsupported(let text), .memory(let text): text
        }
    }
}

/// The CUDA plug-in, a library that `make cuda` compiles and that is loaded when it is asked for: nothing else of Orrery needs CUDA.
public final class CUDAPlugin {
    /// Where it was loaded from.
    public let path: String
    private let functions: Functions

    private typealias Count = @convention(c) (UnsafeMutablePointer<Int32>) -> Int32
    private typealias Query = @convention(c) (Int32, UnsafeMutablePointer<orrery_cuda_device>) -> Int32
    private typealias Time =
        @convention(c) (
            Int32, UnsafePointer<orrery_cuda_call>, UnsafePointer<orrery_cuda_rule>, UnsafeMutablePointer<orrery_cuda_timing>
        ) -> Int32
    private typealias Allocate = @convention(c) (Int32, UInt64, UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> Int32
    private typealias Free = @convention(c) (Int32, UnsafeMutableRawPointer?) -> Int32
    private typealias Copy = @convention(c) (Int32, UnsafeMutableRawPointer?, UnsafeRawPointer?, UInt64, Int32) -> Int32
    private typealias Text = @convention(c) () -> UnsafePointer<CChar>?
    private typealias Number = @convention(c) () -> Int32

    private struct Functions {
        var error: Text
        var count: Count
        var query: Query
        var time: Time
        var allocate: Allocate
        var free: Free
        var copy: Copy
    }

    /// Loads the plug-in; it stays loaded as long as the process runs.
    /// - Parameter path: nil: the environment's ORRERY_CUDA, else liborrery_cuda.so in .build of the working folder, beside the program, or
    ///   where the system looks for libraries.
    /// - Throws: `CUDAError.noPlugin` saying what was tried and what to do.
    public init(path: String? = nil) throws(CUDAError) {
        let candidates = path.map { [$0] } ?? Self.places()
        var reasons: [String] = []
        for candidate in candidates {
            guard let handle = dlopen(candidate, RTLD_NOW | RTLD_LOCAL) else {
                reasons.append(dlerror().map { String(cString: $0) } ?? candidate)
                continue
            }
            functions = try Self.functions(handle, candidate)
            self.path = candidate
            return
        }
        throw .noPlugin(
            "the CUDA plug-in cannot be loaded (\(reasons.joined(separator: "; "))); build it by `make cuda` where nvcc is, or name it in ORRERY_CUDA"
        )
    }

    private static func places() -> [String] {
        if let named = getenv("ORRERY_CUDA") { return [String(cString: named)] }
        let name = "liborrery_cuda.so"
        var places = [".build/\(name)"]
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
        if count > 0 {
            let program = String(decoding: buffer[0..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if let slash = program.lastIndex(of: "/") {
                // The program in .build/release, the plug-in in .build.
                places += ["\(program[..<slash])/\(name)", "\(program[..<slash])/../\(name)", "\(program[..<slash])/../../\(name)"]
            }
        }
        return places + [name]
    }

    private static func functions(_ handle: UnsafeMutableRawPointer, _ path: String) throws(CUDAError) -> Functions {
        func find<F>(_ name: String, as: F.Type) throws(CUDAError) -> F {
            guard let symbol = dlsym(handle, name) else {
                throw .noPlugin("\(path) is no CUDA plug-in of Orrery: it has no \(name); build it by `make cuda`")
            }
            return unsafeBitCast(symbol, to: F.self)
        }
        let version = try find("orrery_cuda_abi", as: Number.self)()
        guard version == ORRERY_CUDA_ABI else {
            throw .noPlugin("\(path) is of version \(version), this program needs \(ORRERY_CUDA_ABI): build it again by `make cuda`")
        }
        return Functions(
            error: try find("orrery_cuda_error", as: Text.self), count: try find("orrery_cuda_device_count", as: Count.self),
            query: try find("orrery_cuda_device_query", as: Query.self), time: try find("orrery_cuda_time", as: Time.self),
            allocate: try find("orrery_cuda_alloc", as: Allocate.self), free: try find("orrery_cuda_free", as: Free.self),
            copy: try find("orrery_cuda_copy", as: Copy.self))
    }

    private func check(_ code: Int32, _ what: String) throws(CUDAError) {
        guard code != ORRERY_CUDA_OK else { return }
        let text = "\(what): \(functions.error().map { String(cString: $0) } ?? "no reason given")"
        switch Int(code) {
        case Int(ORRERY_CUDA_UNSUPPORTED): throw .unsupported(text)
        case Int(ORRERY_CUDA_MEMORY): throw .memory(text)
        default: throw .failed(text)
        }
    }

    /// The GPUs of this machine.
    /// - Throws: `CUDAError.noDevice` where there is none, or no driver.
    public func devices() throws(CUDAError) -> [CUDADevice] {
        var count: Int32 = 0
        do throws(CUDAError) { try check(functions.count(&count), "no GPU") } catch { throw .noDevice(error.description) }
        guard count > 0 else { throw .noDevice("no GPU: the driver shows none to this process") }
        var found: [CUDADevice] = []
        for index in 0..<count {
            var raw = orrery_cuda_device()
            raw.size = UInt64(MemoryLayout<orrery_cuda_device>.size)
            try check(functions.query(index, &raw), "GPU \(index)")
            found.append(
                CUDADevice(
                    index: Int(index), name: Self.text(&raw.name), libraries: Self.text(&raw.libraries),
                    capability: (Int(raw.major), Int(raw.minor)), units: Int(raw.units), memoryBytes: raw.memory_bytes,
                    freeBytes: raw.free_bytes, cacheBytes: raw.cache_bytes))
        }
        return found
    }

    /// A C array of characters up to its zero.
    private static func text<T>(_ characters: inout T) -> String {
        withUnsafeBytes(of: &characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// Times one call.
    /// - Throws: `CUDAError.unsupported` where this GPU cannot do it (not the next one's fault), `.memory` where it does not fit.
    public func time(_ call: CUDACall, _ rule: CUDARule = CUDARule(), device: Int = 0) throws(CUDAError) -> CUDATiming {
        var (rawCall, rawRule, raw) = (call.raw, rule.raw, orrery_cuda_timing())
        raw.size = UInt64(MemoryLayout<orrery_cuda_timing>.size)
        try check(functions.time(Int32(clamping: device), &rawCall, &rawRule, &raw), "\(call)")
        guard raw.median > 0, raw.median.isFinite, raw.repeats > 0 else { throw .failed("\(call): a timing of \(raw.median) seconds") }
        func readable(_ value: Double) -> Double? { value > 0 ? value : nil }
        return CUDATiming(
            median: raw.median, spread: raw.spread, p99: raw.p99, repeats: Int(raw.repeats), clockHz: readable(raw.clock_hz),
            temperatureC: readable(raw.temperature_c), watts: readable(raw.watts))
    }

    /// Copies a pattern to the device, on it and back.
    /// - Throws: `CUDAError.failed` where another pattern returns.
    public func checkMemory(device: Int = 0, bytes: Int = 1 << 20) throws(CUDAError) {
        let pattern = (0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        var returned = [UInt8](repeating: 0, count: bytes)
        var places: [UnsafeMutableRawPointer?] = [nil, nil]
        let device = Int32(clamping: device)
        defer { for place in places where place != nil { _ = functions.free(device, place) } }
        for index in places.indices { try check(functions.allocate(device, UInt64(bytes), &places[index]), "\(bytes) bytes on the GPU") }
        try check(functions.copy(device, places[0], pattern, UInt64(bytes), 1), "a copy to the GPU")
        try check(functions.copy(device, places[1], places[0], UInt64(bytes), 0), "a copy on the GPU")
        try check(functions.copy(device, &returned, places[1], UInt64(bytes), 2), "a copy from the GPU")
        guard returned == pattern else { throw .failed("GPU \(device) returns other bytes than it was given") }
    }
}
