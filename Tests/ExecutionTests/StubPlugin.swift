import Foundation
import Testing

@testable import Kernels

/// CUDA plug-ins without CUDA, compiled by the system's C compiler: what the loader meets when a GPU answers, refuses or is missing.
enum StubPlugin {
    static let compiler: String? = ["/usr/bin/cc", "/usr/bin/gcc", "/usr/bin/clang"].first {
        FileManager.default.isExecutableFile(atPath: $0)
    }
    static var isPossible: Bool { compiler != nil }

    private static let header = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Sources/COrreryCUDA")

    /// Answers like a GPU of 1 TFLOP/s; refuses FP8 for good and gather by a failure.
    static let answering = """
        #include "orrery_cuda.h"
        #include <stdlib.h>
        #include <string.h>
        static const char *error = "no error";
        int32_t orrery_cuda_abi(void) { return ORRERY_CUDA_ABI; }
        const char *orrery_cuda_error(void) { return error; }
        int32_t orrery_cuda_device_count(int32_t *count) { *count = 1; return 0; }
        int32_t orrery_cuda_device_query(int32_t device, orrery_cuda_device *r) {
            if (r->size != sizeof *r || device != 0) { error = "wrong size"; return 1; }
            strcpy(r->name, "Stub H100 80GB HBM3"); strcpy(r->libraries, "CUDA 0.1, cuBLAS 0.2.3");
            r->major = 9; r->units = 132; r->memory_bytes = 8e10; r->free_bytes = 7e10; r->cache_bytes = 5e7;
            return 0;
        }
        int32_t orrery_cuda_time(int32_t device, const orrery_cuda_call *c, const orrery_cuda_rule *rule, orrery_cuda_timing *r) {
            if (c->size != sizeof *c || rule->size != sizeof *rule || r->size != sizeof *r) { error = "wrong size"; return 1; }
            if (c->dtype == ORRERY_CUDA_E4M3) { error = "no fp8 here"; return ORRERY_CUDA_UNSUPPORTED; }
            if (c->kind == ORRERY_CUDA_GATHER && STRICT) { error = "an illegal address"; return ORRERY_CUDA_FAILED; }
            double work = 1;
            for (int i = 0; i < (c->kind == ORRERY_CUDA_GEMM ? 4 : 1); i++) work *= (double)c->sizes[i];
            r->median = 1e-6 + 2 * work / 1e12; r->spread = 0.01; r->p99 = 1.1 * r->median; r->repeats = rule->least; r->clock_hz = 1.98e9;
            return 0;
        }
        int32_t orrery_cuda_alloc(int32_t device, uint64_t bytes, void **memory) { *memory = malloc(bytes); return 0; }
        int32_t orrery_cuda_free(int32_t device, void *memory) { free(memory); return 0; }
        int32_t orrery_cuda_copy(int32_t device, void *to, const void *from, uint64_t bytes, int32_t way) { memcpy(to, from, bytes); return 0; }
        """

    /// A driver that shows no GPU.
    static let deviceless = answering.replacingOccurrences(of: "*count = 1; return 0;", with: "error = \"no driver\"; return 1;")
    /// Memory that loses a byte.
    static let forgetful = answering.replacingOccurrences(
        of: "memcpy(to, from, bytes);", with: "memcpy(to, from, bytes); *(char *)to ^= way == 2;")
    static let older = answering.replacingOccurrences(of: "return ORRERY_CUDA_ABI;", with: "return 0;")

    /// Compiles a plug-in into a folder of its own.
    static func compiled(_ source: String, strict: Bool = false) throws -> String {
        let folder = FileManager.default.temporaryDirectory.appending(path: "orrery-stub-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let (file, library) = (folder.appending(path: "stub.c"), folder.appending(path: "stub.so"))
        try source.write(to: file, atomically: true, encoding: .utf8)
        let process = Process()
        process.executableURL = URL(filePath: try #require(compiler))
        process.arguments = [
            "-shared", "-fPIC", "-DSTRICT=\(strict ? 1 : 0)", "-I", header.path(), file.path(), "-o", library.path(),
        ]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "the stub does not compile against orrery_cuda.h")
        return library.path()
    }
}
